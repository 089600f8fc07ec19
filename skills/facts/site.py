"""What the probes saw on the on-premises servers: one fact per check of the contract, over all probes that answered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from bot.evidence import Fact, Record, SourceError
from bot.relay.client import CheckAnswer, ProbeContact
from skills.facts.ad import AdObject
from skills.facts.site_reading import READERS
from skills.facts.site_records import (
    AccessResult,
    AgentResult,
    ClockResult,
    ContainerState,
    ControllerState,
    DnsResult,
    Event,
    GmsaResult,
    HostResult,
    Look,
    ProxyResult,
    RevocationResult,
    ServiceState,
    TcpResult,
    TlsResult,
    TraceLine,
    WebSocketResult,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What one probe saw."""

    record: Record
    probe: str
    identity: str | None
    """The account it ran as; `computed` where it was worked out instead of tried."""
    agent_host: bool
    error: str | None
    value: T


@dataclass(frozen=True)
class SiteFact(Fact, Generic[T]):
    check: ClassVar[str] = ""

    record: Record
    seen: tuple[Seen[T], ...]

    def on_agent_hosts(self) -> tuple[Seen[T], ...]:
        """What was seen where an agent runs; on any probe if none of them stands beside an agent."""
        beside = tuple(each for each in self.seen if each.agent_host)
        return beside or self.seen


@dataclass(frozen=True, slots=True)
class Contact:
    record: Record
    fallback_record: Record
    probe: str
    relay: bool | None
    """None: the bot's own end of the relay is down."""
    fallback: bool
    last_seen: datetime | None
    agent_host: bool
    skew_s: int | None = None

    @property
    def silent(self) -> bool:
        return self.relay is False and not self.fallback


@dataclass(frozen=True)
class Contacts(Fact):
    """Which probes are enrolled, and on which channel each is in contact. Empty: there are none."""

    needs: ClassVar[str] = "probe contact"
    record: Record
    contacts: tuple[Contact, ...]

    def records(self) -> Iterator[Record]:
        yield self.record
        for each in self.contacts:
            yield from (each.record, each.fallback_record)

    @classmethod
    def from_probes(cls, contacts: Sequence[ProbeContact]) -> "Contacts":
        known = tuple(
            Contact(
                Record(f"site:{each.probe}/relay", each.last_seen),
                Record(f"site:{each.probe}/fallback", each.last_seen),
                each.probe,
                each.relay,
                each.fallback,
                each.last_seen,
                each.agent_host,
                each.skew_s,
            )
            for each in contacts
        )
        return cls(Record("site:-/relay"), known)


class Dns(SiteFact[tuple[DnsResult, ...]]):
    needs = check = "dns"


class Tcp(SiteFact[tuple[TcpResult, ...]]):
    needs = check = "tcp"


class Tls(SiteFact[tuple[TlsResult, ...]]):
    needs = check = "tls"


class Revocation(SiteFact[tuple[RevocationResult, ...]]):
    needs = check = "revocation"


class WebSocket(SiteFact[tuple[WebSocketResult, ...]]):
    needs = check = "websocket"


class ServerClock(SiteFact[ClockResult]):
    needs = check = "clock"


class Host(SiteFact[HostResult]):
    needs = check = "host"


class Services(SiteFact[tuple[ServiceState, ...]]):
    needs = check = "services"


class AgentInstall(SiteFact[AgentResult]):
    needs = check = "agent"


class Proxy(SiteFact[ProxyResult]):
    needs = check = "proxy"


class EventLog(SiteFact[tuple[Event, ...]]):
    needs = check = "eventlog"


class Trace(SiteFact[tuple[TraceLine, ...]]):
    needs = check = "trace"


class Gmsa(SiteFact[GmsaResult]):
    needs = check = "gmsa"


class Directory(SiteFact[tuple[Look, ...]]):
    """The subject, looked up in Active Directory."""

    needs = check = "directory"

    @property
    def objects(self) -> tuple[AdObject, ...]:
        """Each object once, live ones first: as it was read where it was, and only else as it was worked out."""
        best: dict[str, tuple[tuple[bool, bool], AdObject]] = {}
        for look, item in self._told():
            rank = not item.deleted, not look.computed
            if item.key not in best or rank >= best[item.key][0]:
                best[item.key] = rank, item
        return tuple(sorted((item for _, item in best.values()), key=lambda item: item.deleted))

    def _told(self) -> Iterator[tuple[Look, AdObject]]:
        looks = (look for each in self.seen for look in each.value)
        return ((look, item) for look in looks for item in reversed(look.objects))


class Control(SiteFact[tuple[Look, ...]]):
    """The site's known-good object, looked up in the same way."""

    needs = check = "control"


class Containers(SiteFact[tuple[ContainerState, ...]]):
    needs = check = "containers"


class Controllers(SiteFact[tuple[ControllerState, ...]]):
    needs = check = "controllers"


class Access(SiteFact[AccessResult]):
    needs = check = "acl"


K = TypeVar("K", bound=SiteFact[Any])


def site_fact(kind: type[K], answers: Sequence[CheckAnswer]) -> K:
    """The fact from the probes' answers. Raises SourceError when no probe could run the check."""
    ran = [answer for answer in answers if answer.ok is not None]
    if not ran:
        errors = "; ".join(dict.fromkeys(answer.error for answer in answers if answer.error))
        raise SourceError(errors or f"no probe could run the check {kind.check}")
    read = READERS[kind.check]
    seen = tuple(
        Seen(
            Record(f"site:{answer.probe}/{answer.check}", answer.at),
            answer.probe,
            answer.identity,
            answer.agent_host,
            answer.error,
            read(answer.data),
        )
        for answer in ran
    )
    return kind(seen[0].record, seen)
