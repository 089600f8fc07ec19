"""Whom or what a question is about, once that is settled."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from bot.evidence import Fact, Record
from skills.facts.ad import AdObject
from skills.facts.directory import CloudUser, addresses

DIRECTORY, CLOUD, BIN = "Active Directory", "cloud users", "recycle bin"
"""How the places are called in which people were, or were not, searched for."""


class SubjectKind(StrEnum):
    USER = "user"
    GROUP = "group"
    TENANT = "tenant"
    AGENT = "agent"


@dataclass(frozen=True)
class Candidate:
    """One of several that the words could mean."""

    label: str
    detail: str
    identifier: str
    """What to ask with to mean this one: an object id, a GUID or a DN."""


@dataclass(frozen=True)
class Subject:
    """The person (or group) meant, by everything that resolving has learnt. All ids None: nobody was found."""

    asked: str
    kind: SubjectKind = SubjectKind.USER
    cloud: CloudUser | None = None
    deleted: CloudUser | None = None
    ad: AdObject | None = None
    upn: str | None = None
    sam: str | None = None
    mail: str | None = None
    dn: str | None = None
    object_guid: str | None = None
    group_id: str | None = None
    name: str | None = None
    source: Record | None = None
    """Of whoever told where the object stands."""
    candidates: tuple[Candidate, ...] = ()
    searched: tuple[str, ...] = ()
    """The places that were searched and could answer."""
    unsearched: tuple[tuple[str, str], ...] = ()
    """The places that could not be searched, each with the reason."""
    probe: str | None = None
    """Of a question about one server: the one probe to ask. None: all of them."""

    @property
    def anchor(self) -> str | None:
        """The source anchor: that of the AD object where it was seen, else the cloud account's."""
        if self.ad and self.ad.anchor:
            return self.ad.anchor
        return self.cloud.anchor if self.cloud else None

    @property
    def addresses(self) -> frozenset[str]:
        """UPN, mail and proxy addresses of both sides, lower case."""
        own = addresses(self.upn, self.mail)
        return own | (self.cloud.addresses if self.cloud else own) | (self.ad.addresses if self.ad else own)

    @property
    def domain(self) -> str | None:
        """The AD domain of the DN: `corp.contoso.com`."""
        return domain_of(self.dn) if self.dn else (self.cloud.domain if self.cloud else None)

    @property
    def known(self) -> bool:
        return bool(self.cloud or self.ad or self.deleted or self.object_guid or self.dn or self.group_id)

    @property
    def label(self) -> str:
        """What to call the subject in a sentence."""
        return self.upn or self.mail or self.sam or self.name or self.asked


def domain_of(dn: str) -> str | None:
    """`CN=Jane,OU=Staff,DC=corp,DC=contoso,DC=com` → `corp.contoso.com`."""
    parts = [part.strip()[3:] for part in dn.replace("\\,", "\0").split(",") if part.strip().lower().startswith("dc=")]
    return ".".join(parts).lower() or None


@dataclass(frozen=True)
class Identity(Fact):
    """Who is meant. Always there once somebody was found; every value may be None."""

    needs: ClassVar[str] = "directory"
    record: Record
    subject: Subject


@dataclass(frozen=True)
class Placement(Fact):
    """Where the subject stands in Active Directory. Missing while nobody could tell its DN."""

    needs: ClassVar[str] = "directory"
    record: Record
    """Of the source that told the DN: a probe, the cloud account or a log row."""
    dn: str

    @property
    def domain(self) -> str | None:
        return domain_of(self.dn)


@dataclass(frozen=True)
class AdAccount(Fact):
    """The subject as probes found it in Active Directory. Missing when no probe could look.

    `object` None: it was looked for and is not there. `others` are further objects with the subject's values.
    """

    needs: ClassVar[str] = "directory"
    record: Record
    object: AdObject | None
    others: tuple[AdObject, ...] = ()
