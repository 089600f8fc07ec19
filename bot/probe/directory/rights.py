"""What an account may read, worked out from access lists: no sign-in as that account is needed, nor possible."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.probe.directory.descriptors import Descriptor

LIST_CONTENTS: Final = 0x4
READ_PROPERTY: Final = 0x10
LIST_OBJECT: Final = 0x80
EXTENDED_RIGHT: Final = 0x100
GENERIC_READ: Final = 0x80000000
GENERIC_ALL: Final = 0x10000000
READING: Final = LIST_CONTENTS | READ_PROPERTY | LIST_OBJECT
REPLICATE: Final = {
    "Replicating Directory Changes": uuid.UUID("1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"),
    "Replicating Directory Changes All": uuid.UUID("1131f6ad-9c07-11d1-f79f-00c04fc2dcd2"),
}
"""The extended rights on the domain's root that password hash sync needs."""
WELL_KNOWN: Final = frozenset({"S-1-1-0", "S-1-5-11", "S-1-5-2"})
"""Everyone, Authenticated Users and Network: what everybody is who signs in from afar."""
NEEDED: Final = (
    *("objectGUID", "objectClass", "userPrincipalName", "sAMAccountName", "displayName", "mail", "proxyAddresses"),
    *("userAccountControl", "cn", "givenName", "sn", "mS-DS-ConsistencyGuid", "objectSid", "pwdLastSet", "whenChanged"),
)
"""What the agent reads of every account; without one of these the account syncs wrongly or not at all."""


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """How the schema says that an attribute is guarded."""

    name: str
    guid: uuid.UUID
    property_set: uuid.UUID | None
    confidential: bool
    syntax: str
    single: bool


@dataclass(frozen=True, slots=True)
class Account:
    """Whose rights are worked out."""

    name: str
    sids: frozenset[str]
    """The account's own, those of its groups, and the well-known ones."""

    def may(self, descriptor: Descriptor, right: int, *about: uuid.UUID | None) -> bool | None:
        """The first entry that speaks of this right and this account decides. None: it hangs on a condition."""
        if descriptor.entries is None:
            return True
        for entry in descriptor.entries:
            speaks = _mask(entry.mask) & right and entry.sid in self.sids and not entry.only_inherited
            if not speaks or (entry.about is not None and entry.about not in about):
                continue
            return None if entry.conditional else entry.allows
        return False

    def may_read(self, descriptor: Descriptor, rule: AttributeRule) -> bool | None:
        """A confidential attribute needs a right of its own besides."""
        reads = self.may(descriptor, READ_PROPERTY, rule.guid, rule.property_set)
        if reads is not True or not rule.confidential:
            return reads
        return self.may(descriptor, EXTENDED_RIGHT, rule.guid)

    def may_find(self, parent: Descriptor | None, own: Descriptor, *, object_mode: bool) -> bool | None:
        """Whether the object is there at all for the account. `parent` None: a root, which always is."""
        if parent is None:
            return True
        listed = self.may(parent, LIST_CONTENTS)
        if listed is not False or not object_mode:
            return listed
        both = (self.may(parent, LIST_OBJECT), self.may(own, LIST_OBJECT))
        return False if False in both else (None if None in both else True)


def _mask(mask: int) -> int:
    if mask & GENERIC_ALL:
        return mask | READING | EXTENDED_RIGHT
    return mask | READING if mask & GENERIC_READ else mask


def unreadable(
    account: Account, descriptor: Descriptor, rules: Mapping[str, AttributeRule], names: Iterable[str]
) -> tuple[str, ...]:
    """Those of the attributes that the schema knows and the account may not read."""
    known = ((name, rules.get(name.lower())) for name in names)
    return tuple(name for name, rule in known if rule and account.may_read(descriptor, rule) is False)
