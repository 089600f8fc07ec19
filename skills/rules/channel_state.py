"""Is the channel between cloud and agent alive, by everything that can tell; and the same for each server alone."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.diagnosis import Finding, likely, proven
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.log import Attempt, Attempts
from skills.facts.site import EventLog, Seen, Trace
from skills.facts.site_records import Event, ServiceState
from skills.facts.tenant import Now
from skills.rules.chain import channel_code, channel_works, concerned, deaf_job

CONNECTED = "successfully established a connection"
NOT_CONNECTED = (
    "could not establish a connection",
    "unable to establish a connection",
    "failed to establish a connection",
)
PAST_THE_AGENT = ("hybridsynchronization", "azureactivedirectory", "azuredirectoryservice", "toomanydeletes")
"""Beginnings of job codes that are only reached after the agent was: whatever fails then, the channel does not."""

AGENT_SERVICE = "aadconnectprovisioningagent"
UPDATER_SERVICES = ("azureadconnectagentupdater", "aadconnectprovisioningagentupdater")
FRESH = timedelta(days=1)
NOT_ASKED = Missing("not asked here")


@dataclass(frozen=True)
class ChannelState:
    works: bool
    """The agent's own evidence says so; it beats any test of a probe."""
    dead: tuple[Because, ...]
    """What shows that requests do not reach the agent, most telling first."""
    since: datetime | None = None

    def sure(self, *further: object) -> Callable[..., Finding]:
        """`proven` when the channel is seen dead and all further conditions hold, else `likely`."""
        return proven if self.dead and all(further) else likely


def channel_state(
    now: Now,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> ChannelState:
    """Forty rules ask this of the same facts: the last answers are kept, by the identity of what they were asked of."""
    asked = (now, jobs, subject, log, attempts)
    for known, state in _ANSWERED:
        if all(one is other for one, other in zip(known, asked, strict=True)):
            return state
    state = _judge(now, jobs, subject, log, attempts)
    _ANSWERED.append((asked, state))
    return state


_ANSWERED: deque[tuple[tuple[object, ...], ChannelState]] = deque(maxlen=4)


def _judge(
    now: Now,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> ChannelState:
    job = None if isinstance(jobs, Missing) else deaf_job(jobs, subject)
    tries = () if isinstance(attempts, Missing) else _fresh(attempts, now.at)
    failed = [
        _failed_at(job),
        *(_at(event) for event, _ in _broken(log)),
        *(each.at for each in tries if _refused(each)),
    ]
    good = [*_connected(log), *(each.at for each in tries if each.succeeded)]
    if _healthy(now, jobs, subject) or _recovered(failed, good):
        return ChannelState(True, ())
    dead = (*_dead_job(job), *_dead_log(log), *_dead_tries(tries))
    return ChannelState(False, dead, _since(job, log))


def _healthy(now: Now, jobs: Jobs | Missing, subject: SubjectJob | Missing) -> bool:
    if isinstance(jobs, Missing):
        return False
    if channel_works(jobs, subject, now.at):
        return True
    every = concerned(jobs, subject)
    return bool(every) and all(past_the_agent(job) for job in every)


def past_the_agent(job: SyncJob) -> bool:
    """It fails in a place that it can only reach through the agent."""
    if channel_code(job):
        return False
    reason = ((job.quarantine.reason if job.quarantine else None) or "").lower()
    codes = (*job.error_codes, reason if "escrow" not in reason else "toomanydeletes")
    return any(code.lower().startswith(PAST_THE_AGENT) for code in codes)


def _recovered(failed: Iterable[datetime | None], good: Iterable[datetime | None]) -> bool:
    last_failure = max((at for at in failed if at), default=None)
    last_success = max((at for at in good if at), default=None)
    return last_failure is not None and last_success is not None and last_success > last_failure


def _failed_at(job: SyncJob | None) -> datetime | None:
    if job is None:
        return None
    began = job.quarantine.began if job.quarantine else None
    return (job.last.at if job.last else None) or began


def _since(job: SyncJob | None, log: EventLog | Missing) -> datetime | None:
    if job and job.quarantine and job.quarantine.began:
        return job.quarantine.began
    return first_of(_broken(log))


def _at(event: Event) -> datetime | None:
    return event.at


def first_of(found: Iterable[tuple[Event, object]]) -> datetime | None:
    """When the earliest of these events was; a row of alike ones is dated by its newest."""
    return min((event.began for event, _ in found if event.began), default=None)


def _fresh(attempts: Attempts, now: datetime) -> tuple[Attempt, ...]:
    return tuple(each for each in attempts.attempts if each.at and now - each.at < FRESH)


def _refused(attempt: Attempt) -> bool:
    return attempt.timed_out or attempt.object_missing


def _broken(log: EventLog | Missing) -> list[tuple[Event, Seen[tuple[Event, ...]]]]:
    return events(log, *NOT_CONNECTED)


def _connected(log: EventLog | Missing) -> list[datetime | None]:
    return [event.at for event, _ in events(log, CONNECTED)]


def _dead_job(job: SyncJob | None) -> tuple[Because, ...]:
    return (job.record.saying(f"its cycles end with {channel_code(job)}"),) if job else ()


def _dead_log(log: EventLog | Missing) -> tuple[Because, ...]:
    if isinstance(log, Missing):
        return ()
    hosts = [seen for seen in log.on_agent_hosts() if connected(seen) is False]
    if not hosts or any(connected(seen) for seen in log.on_agent_hosts()):
        return ()
    count = sum(event.count for event, seen in _broken(log) if seen.record == hosts[0].record)
    return (hosts[0].record.saying(f"the agent logged {count} times that it could not establish a connection"),)


def _dead_tries(tries: tuple[Attempt, ...]) -> tuple[Because, ...]:
    late = next((each for each in tries if each.timed_out), None)
    if late:
        return (late.record.saying("provision on demand waited in vain for the agent"),)
    lost = {each.dn.lower(): each for each in tries if each.object_missing}
    if len(lost) < 2 or any(each.succeeded for each in tries):
        return ()
    return (
        next(iter(lost.values())).record.saying(f"provision on demand found none of {len(lost)} different objects"),
    )


# One server, or one text.


def connected(seen: Seen[tuple[Event, ...]]) -> bool | None:
    """Whether the newest word of the agent on this server is that it is connected; None if it says neither."""
    told = [
        (event.at, CONNECTED in event.text.lower())
        for event in seen.value
        if event.at and (CONNECTED in event.text.lower() or any(text in event.text.lower() for text in NOT_CONNECTED))
    ]
    return max(told)[1] if told else None


def events(log: EventLog | Missing, *texts: str) -> list[tuple[Event, Seen[tuple[Event, ...]]]]:
    """Events on the agents' servers that hold one of the texts, newest first."""
    if isinstance(log, Missing):
        return []
    wanted = tuple(text.lower() for text in texts)
    found = [
        (event, seen)
        for seen in log.on_agent_hosts()
        for event in seen.value
        if any(text in event.text.lower() for text in wanted)
    ]
    return sorted(found, key=lambda each: each[0].at.timestamp() if each[0].at else 0.0, reverse=True)


def numbered(log: EventLog | Missing, *numbers: int) -> list[tuple[Event, Seen[tuple[Event, ...]]]]:
    """Windows events on the agents' servers with one of the numbers, newest first; the agent's own channel has none."""
    every = events(log, "")
    return [
        (event, seen) for event, seen in every if event.id in numbers and "provisioningagent" not in event.log.lower()
    ]


def told(texts: tuple[str, ...], log: EventLog | Missing, trace: Trace | Missing) -> Because | None:
    """What the agent wrote to its event log or its trace that holds one of the texts."""
    for event, seen in events(log, *texts):
        return seen.record.saying(f"the event log says: {_short(event.text)}")
    if isinstance(trace, Missing):
        return None
    wanted = tuple(text.lower() for text in texts)
    for lines in trace.on_agent_hosts():
        for line in reversed(lines.value):
            if any(text in line.text.lower() for text in wanted):
                return lines.record.saying(f"the agent's trace says: {_short(line.text)}")
    return None


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 160 else words[:159] + "…"


def agent_service(seen: Seen[tuple[ServiceState, ...]]) -> ServiceState | None:
    """None where there is none, or its state is not told."""
    own = (each for each in seen.value if each.name.lower() == AGENT_SERVICE)
    return next((each for each in own if each.state.lower() not in ("missing", "?")), None)


def same_machine(one: str, other: str) -> bool:
    """By the first label: `SRV-A` is `srv-a.corp.contoso.com`."""
    return one.lower().partition(".")[0] == other.lower().partition(".")[0]
