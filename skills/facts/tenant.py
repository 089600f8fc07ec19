"""What is true of the whole tenant: organisation, domains, sync settings, agents, changes, incidents."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from bot.evidence import Fact, Record
from skills.facts.reading import Json, bag, child, children, flag, moment, number, text, texts


@dataclass(frozen=True)
class Now(Fact):
    """The moment of the question; rules take their time from here."""

    needs: ClassVar[str] = "the time"
    record: Record
    at: datetime


@dataclass(frozen=True)
class Organization(Fact):
    needs: ClassVar[str] = "organization"
    record: Record
    id: str
    display_name: str | None
    sync_enabled: bool | None
    last_sync: datetime | None
    premium: bool | None
    """Whether a plan with provisioning logs (P1 or P2) is assigned; None where plans were not told."""


@dataclass(frozen=True, slots=True)
class Domain:
    record: Record
    name: str
    verified: bool
    default: bool
    initial: bool
    authentication: str | None
    """Managed or Federated."""


@dataclass(frozen=True)
class Domains(Fact):
    needs: ClassVar[str] = "domains"
    record: Record
    domains: tuple[Domain, ...]

    def verified(self, suffix: str) -> bool:
        return any(each.verified and each.name.lower() == suffix.lower() for each in self.domains)

    def find(self, suffix: str) -> Domain | None:
        return next((each for each in self.domains if each.name.lower() == suffix.lower()), None)

    @property
    def initial(self) -> str | None:
        marked = (each.name for each in self.domains if each.initial)
        named = (each.name for each in self.domains if each.name.lower().endswith(".onmicrosoft.com"))
        return next(marked, None) or next(named, None)


@dataclass(frozen=True)
class SyncFeatures(Fact):
    """Tenant-wide synchronisation settings (`directory/onPremisesSynchronization`)."""

    needs: ClassVar[str] = "onPremisesSynchronization"
    record: Record
    block_soft_match: bool | None
    block_hard_match: bool | None
    quarantine_upn_conflicts: bool | None
    quarantine_proxy_conflicts: bool | None
    password_sync: bool | None
    delete_prevention: str | None
    delete_threshold: int | None

    @classmethod
    def from_graph(cls, body: Json) -> "SyncFeatures":
        prevention = child(child(body, "configuration"), "accidentalDeletionPrevention")
        features = child(body, "features")
        return cls(
            record=Record(f"graph:onPremisesSynchronization/{text(body, 'id') or '-'}"),
            block_soft_match=flag(features, "blockSoftMatchEnabled"),
            block_hard_match=flag(features, "blockCloudObjectTakeoverThroughHardMatchEnabled"),
            quarantine_upn_conflicts=flag(features, "quarantineUponUpnConflictEnabled"),
            quarantine_proxy_conflicts=flag(features, "quarantineUponProxyAddressesConflictEnabled"),
            password_sync=flag(features, "passwordSyncEnabled"),
            delete_prevention=text(prevention, "synchronizationPreventionType"),
            delete_threshold=number(prevention, "alertThreshold"),
        )


@dataclass(frozen=True, slots=True)
class Agent:
    record: Record
    id: str
    machine: str
    active: bool | None
    groups: tuple[str, ...]
    publishing: tuple[str, ...]

    @classmethod
    def from_graph(cls, body: Json) -> "Agent":
        ident, status = text(body, "id") or "?", (text(body, "status") or "").lower()
        return cls(
            record=Record(f"graph:agents/{ident}"),
            id=ident,
            machine=text(body, "machineName") or "?",
            active={"active": True, "inactive": False}.get(status),
            groups=tuple(text(group, "displayName") or "?" for group in children(body, "agentGroups")),
            publishing=texts(body, "supportedPublishingTypes"),
        )


@dataclass(frozen=True)
class Agents(Fact):
    """The provisioning agents that the cloud lists. Unreadable for most apps: then this fact is missing, not empty."""

    needs: ClassVar[str] = "agents"
    record: Record
    agents: tuple[Agent, ...]

    @property
    def active(self) -> tuple[Agent, ...]:
        return tuple(agent for agent in self.agents if agent.active)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    record: Record
    at: datetime | None
    activity: str
    actor: str | None
    by_person: bool
    target: str | None
    target_id: str | None
    result: str | None
    changes: tuple[tuple[str, str | None, str | None], ...]
    details: tuple[tuple[str, str], ...] = ()
    """Further keys and values, such as the place in the portal that an edit came from."""

    @classmethod
    def from_graph(cls, body: Json) -> "AuditEntry":
        ident, at = text(body, "id") or "?", moment(body, "activityDateTime")
        initiator = child(body, "initiatedBy")
        person, app = child(initiator, "user"), child(initiator, "app")
        targets = children(body, "targetResources")
        target = targets[0] if targets else {}
        return cls(
            record=Record(f"graph:directoryAudits/{ident}", at),
            at=at,
            activity=text(body, "activityDisplayName") or "?",
            actor=text(person, "userPrincipalName") or text(person, "displayName") or text(app, "displayName"),
            by_person=bool(text(person, "id") or text(person, "userPrincipalName")),
            target=text(target, "displayName") or text(target, "userPrincipalName"),
            target_id=text(target, "id"),
            result=text(body, "result"),
            changes=tuple(
                (text(item, "displayName") or "?", text(item, "oldValue"), text(item, "newValue"))
                for each in targets
                for item in children(each, "modifiedProperties")
            ),
            details=tuple(bag(body, "additionalDetails").items()),
        )


@dataclass(frozen=True)
class ConfigurationChanges(Fact):
    """What people changed in the configurations, and to the subject's account, newest first."""

    needs: ClassVar[str] = "directoryAudits"
    record: Record
    entries: tuple[AuditEntry, ...]
    since: datetime
    complete: bool = True

    def about(self, *words: str) -> tuple[AuditEntry, ...]:
        """Entries whose activity contains one of the words, newest first."""
        return tuple(entry for entry in self.entries if any(word in entry.activity.lower() for word in words))

    def on(self, target_id: str) -> tuple[AuditEntry, ...]:
        return tuple(entry for entry in self.entries if entry.target_id == target_id)


@dataclass(frozen=True, slots=True)
class Incident:
    record: Record
    id: str
    title: str
    service: str | None
    began: datetime | None
    resolved: bool

    @classmethod
    def from_graph(cls, body: Json) -> "Incident":
        ident = text(body, "id") or "?"
        status = (text(body, "status") or "").lower()
        ended = ("servicerestored", "falsepositive", "postincidentreviewpublished", "resolved", "resolvedexternal")
        began = moment(body, "startDateTime")
        return cls(
            Record(f"graph:serviceHealth/{ident}", began),
            ident,
            text(body, "title") or "?",
            text(body, "service"),
            began,
            bool(flag(body, "isResolved")) or status in ended,
        )


@dataclass(frozen=True)
class ServiceHealth(Fact):
    """Service health issues that touch identity, open ones first."""

    needs: ClassVar[str] = "serviceHealth"
    record: Record
    incidents: tuple[Incident, ...]

    @property
    def open(self) -> tuple[Incident, ...]:
        return tuple(each for each in self.incidents if not each.resolved)
