"""An Active Directory object, as a probe reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from skills.facts.directory import addresses
from skills.facts.reading import Json, anchor_of, child, flag, guid, moment, number, text, texts

ACCOUNT_DISABLED = 0x2


@dataclass(frozen=True, slots=True)
class AdObject:
    dn: str
    guid: str | None
    object_class: tuple[str, ...]
    sam: str | None
    upn: str | None
    display_name: str | None
    mail: str | None
    proxies: tuple[str, ...]
    account_control: int | None
    critical: bool
    consistency_guid: str | None
    """mS-DS-ConsistencyGuid in base64; where it is set, it is the source anchor instead of objectGUID."""
    created: datetime | None
    changed: datetime | None
    password_set: datetime | None
    must_change_password: bool
    member_of: tuple[str, ...]
    protected: bool
    """adminCount is 1."""
    deleted: bool
    attributes: Mapping[str, Any]
    unread: frozenset[str] = frozenset()
    """Attributes, lower case, that the probe may not read: what stands here as empty is not known."""

    @property
    def key(self) -> str:
        return self.guid or self.dn.lower()

    @property
    def anchor(self) -> str | None:
        return self.consistency_guid or (anchor_of(self.guid) if self.guid else None)

    @property
    def disabled(self) -> bool:
        return bool((self.account_control or 0) & ACCOUNT_DISABLED)

    @property
    def kind(self) -> str:
        """The most derived class, lower case: `user` for ["top", "person", "organizationalPerson", "user"]."""
        return self.object_class[-1].lower() if self.object_class else "user"

    @property
    def addresses(self) -> frozenset[str]:
        return addresses(self.upn, self.mail, *self.proxies)

    def attribute(self, name: str) -> str | None:
        """One value of any attribute that was read, by its AD name in any case; None where it is empty or unread."""
        own = {
            "userprincipalname": self.upn,
            "samaccountname": self.sam,
            "displayname": self.display_name,
            "mail": self.mail,
            "distinguishedname": self.dn,
            "proxyaddresses": "; ".join(self.proxies) or None,
        }
        if name.lower() in own:
            return own[name.lower()]
        for key, value in self.attributes.items():
            if key.lower() == name.lower() and value not in (None, "", []):
                return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
        return None

    @classmethod
    def from_probe(cls, body: Json) -> "AdObject":
        never = {"0", "1601-01-01T00:00:00Z"}
        raw = body.get("pwdLastSet")
        return cls(
            dn=text(body, "distinguishedName") or "?",
            guid=guid(text(body, "objectGUID")),
            object_class=texts(body, "objectClass"),
            sam=text(body, "sAMAccountName"),
            upn=text(body, "userPrincipalName"),
            display_name=text(body, "displayName"),
            mail=text(body, "mail"),
            proxies=texts(body, "proxyAddresses"),
            account_control=number(body, "userAccountControl"),
            critical=flag(body, "isCriticalSystemObject") or False,
            consistency_guid=text(body, "mS-DS-ConsistencyGuid"),
            created=moment(body, "whenCreated"),
            changed=moment(body, "whenChanged"),
            password_set=moment(body, "pwdLastSet"),
            must_change_password="pwdLastSet" in body and raw is not None and str(raw) in never,
            member_of=texts(body, "memberOf"),
            protected=number(body, "adminCount") == 1,
            deleted=flag(body, "deleted") or False,
            attributes=child(body, "attributes"),
            unread=frozenset(name.lower() for name in texts(body, "unread")),
        )
