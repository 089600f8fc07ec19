"""What a controller tells of its forest for all questions: domains, how attributes are guarded, who accounts are."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.identifiers import InvalidDn, is_under, parse_dn
from bot.probe.directory.descriptors import BadDescriptor, Descriptor, parse_descriptor, sid_text
from bot.probe.directory.ldap import escape_filter_chars, security_descriptor_control
from bot.probe.directory.rights import WELL_KNOWN, Account, AttributeRule
from bot.probe.directory.session import LEVEL, Entry, Session

DESCRIPTOR: Final = "nTSecurityDescriptor"
OWNER_GROUP_DACL: Final = 7
CONFIDENTIAL: Final = 0x80
MOST_DOMAINS: Final = 50
MOST_CONTROLLERS: Final = 40
LIST_OBJECT_MODE: Final = 2
"""Which letter of dSHeuristics switches List Object mode on."""


@dataclass(frozen=True, slots=True)
class Forest:
    domain_dn: str
    domains: tuple[str, ...]
    """DNs of every domain's root, its own first."""
    apart: tuple[str, ...]
    """Roots of what is no domain (configuration, schema, DNS zones), though its name lies below one."""
    rules: Mapping[str, AttributeRule]
    """By the attribute's name in lower case."""
    object_mode: bool
    everybodys: frozenset[str] = frozenset()
    """Groups that hold Everyone or Authenticated Users (Pre-Windows 2000 Compatible Access above all)."""

    def holds(self, dn: str) -> bool:
        """Raises InvalidDn."""
        return any(is_under(dn, each) for each in self.domains) and not any(is_under(dn, each) for each in self.apart)

    def is_own(self, dn: str) -> bool:
        """Whether the DN lies in the domain of the controller itself, not in one below it. Raises InvalidDn."""
        others = (each for each in self.domains if len(each) > len(self.domain_dn) and is_under(each, self.domain_dn))
        return is_under(dn, self.domain_dn) and not any(is_under(dn, each) for each in others)


def read_forest(session: Session, attributes: Iterable[str]) -> Forest:
    """Raises DirectoryError."""
    roots = session.search(
        f"CN=Partitions,{session.configuration_dn}", "(&(objectClass=crossRef)(nETBIOSName=*))", ("nCName",),
        most=MOST_DOMAINS, scope=LEVEL,
    )  # fmt: skip
    names = dict.fromkeys((session.domain_dn, *(name for each in roots if (name := each.text("nCName")))))
    return Forest(
        session.domain_dn,
        tuple(names),
        tuple(each for each in session.root.texts("namingContexts") if each not in names),
        _rules(session, attributes),
        _object_mode(session),
        _groups_of_everybody(session),
    )


def _rules(session: Session, attributes: Iterable[str]) -> dict[str, AttributeRule]:
    names = sorted(set(attributes))
    asked = "".join(f"(lDAPDisplayName={escape_filter_chars(name)})" for name in names)
    found = session.search(
        session.root.text("schemaNamingContext") or "",
        f"(&(objectClass=attributeSchema)(|{asked}))",
        (
            "lDAPDisplayName",
            "schemaIDGUID",
            "attributeSecurityGUID",
            "searchFlags",
            "attributeSyntax",
            "isSingleValued",
        ),
        most=len(names),
        scope=LEVEL,
    )
    rules = (rule for each in found if (rule := _rule(each)))
    return {rule.name.lower(): rule for rule in rules}


def _rule(entry: Entry) -> AttributeRule | None:
    name, guid = entry.text("lDAPDisplayName"), entry.first("schemaIDGUID")
    if name is None or guid is None or len(guid) != 16:
        return None
    group = entry.first("attributeSecurityGUID")
    return AttributeRule(
        name,
        uuid.UUID(bytes_le=guid),
        uuid.UUID(bytes_le=group) if group and len(group) == 16 else None,
        bool(int(entry.text("searchFlags") or 0) & CONFIDENTIAL),
        entry.text("attributeSyntax") or "",
        entry.text("isSingleValued") == "TRUE",
    )


def _object_mode(session: Session) -> bool:
    service = session.read(
        f"CN=Directory Service,CN=Windows NT,CN=Services,{session.configuration_dn}", ("dSHeuristics",)
    )
    switches = (service.text("dSHeuristics") or "") if service else ""
    return switches[LIST_OBJECT_MODE : LIST_OBJECT_MODE + 1] == "1"


def own_account(session: Session) -> Account:
    """The account that the session itself is signed in as."""
    return Account("probe", WELL_KNOWN | frozenset(map(sid_text, session.root.values.get("tokengroups", ()))))


def account_named(session: Session, sam: str, forest: Forest) -> Account | None:
    """A service account with all that it belongs to, as the controller would make its token. Raises DirectoryError."""
    wanted = f"(sAMAccountName={escape_filter_chars(sam)})"
    found = session.search(session.domain_dn, wanted, ("objectSid",), most=1)
    if not found:
        return None
    # Only a look at exactly this object makes the controller work out the groups at any depth.
    held = session.read(found[0].dn, ("tokenGroups", "objectSid"))
    sids = [*held.values.get("tokengroups", ()), *held.values.get("objectsid", ())] if held else []
    return Account(sam, WELL_KNOWN | frozenset(map(sid_text, sids)) | forest.everybodys)


def _groups_of_everybody(session: Session) -> frozenset[str]:
    inside = "".join(
        f"(member:1.2.840.113556.1.4.1941:=CN={sid},CN=ForeignSecurityPrincipals,{escape_filter_chars(session.domain_dn)})"
        for sid in sorted(WELL_KNOWN)
    )
    found = session.search(session.domain_dn, f"(&(objectClass=group)(|{inside}))", ("objectSid",), most=50)
    return frozenset(sid_text(raw) for each in found if (raw := each.first("objectSid")))


def descriptor_of(session: Session, dn: str) -> Descriptor | None:
    """The object's access list; None where there is no object, or the probe may not read it. Raises DirectoryError."""
    entry = session.read(dn, (DESCRIPTOR,), controls=descriptor_control())
    return descriptor_in(entry) if entry else None


def descriptor_in(entry: Entry) -> Descriptor | None:
    raw = entry.first(DESCRIPTOR)
    try:
        return parse_descriptor(raw) if raw else None
    except BadDescriptor:
        return None


def descriptor_control() -> list[Any]:
    """Owner, group and access list: the audit list is for administrators, and asking for it fails for others."""
    return list(security_descriptor_control(criticality=True, sdflags=OWNER_GROUP_DACL))


def parent_dn(dn: str) -> str | None:
    """None for a name of one step, and for what is no distinguished name."""
    try:
        parsed = parse_dn(dn)
    except InvalidDn:
        return None
    return str(parsed.parent) if len(parsed.rdns) > 1 else None
