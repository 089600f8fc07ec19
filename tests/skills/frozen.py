"""Frozen inputs for the cards: verdicts, log rows, jobs and agents with fixed times, made by hand, not by rules."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.answering import Ask, Case
from bot.diagnosis import Certainty, Diagnosis, Finding, Found, Kind, Rule
from bot.evidence import Because, Evidence, Fact, Missing, Record, Source
from bot.intents import Slots
from skills.facts.jobs import Jobs, SyncJob
from skills.facts.log import Attempts, LogRow, RecentRows, SubjectRows
from skills.facts.site import AgentInstall, Contact, Contacts, Seen, Services
from skills.facts.site_records import AgentResult, ServiceState
from skills.facts.subject import Candidate, Subject, SubjectKind
from skills.facts.tenant import Agent, Agents, AuditEntry, ConfigurationChanges
from skills.verdict import Clocks, ReachOfCause, Settle, State, TraceStep, Verdict

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
BEGAN = AT - timedelta(hours=9)
GUID = "cbab74f3-721e-5d2c-b4ca-8ef53897e37d"
JANE = Subject("jdoe", upn="jdoe@contoso.com", object_guid=GUID, dn="CN=Jane Doe,OU=Staff,DC=corp,DC=contoso,DC=com")
NOBODY = Subject("zzz")
TENANT = Subject("the tenant", SubjectKind.TENANT)
NAMESAKES = Subject(
    "jsmith",
    candidates=(
        Candidate(
            "John Smith",
            "jsmith@contoso.com · CN=John Smith,OU=Sales,DC=corp,DC=contoso,DC=com",
            "6e5cb3ea-77f1-5165-a43c-3470923b363b",
        ),
        Candidate(
            "Julia Smith",
            "julia.smith@contoso.com · CN=Julia Smith,OU=Sales,DC=emea,DC=contoso,DC=com",
            "778110eb-7e55-5811-9600-832cdcc8f43d",
        ),
    ),
)


def because(record: str, says: str, at: datetime | None = AT) -> Because:
    return Record(record, at).saying(says)


def found(
    ident: str,
    says: str,
    *because_of: Because,
    fix: tuple[str, ...] = (),
    certainty: Certainty = Certainty.PROVEN,
    kind: Kind = Kind.CAUSE,
    explains: frozenset[str] = frozenset(),
) -> Found:
    finding = Finding(says, because_of or (because("graph:jobs/j1", "as the job says"),), certainty, fix)
    return Found(Rule(ident, "?", lambda: None, (), explains, kind), finding)


BLOCKED_PORT = found(
    "net-servicebus-blocked",
    "The firewall stops SRV-SYNC01 from reaching Service Bus, so the cloud cannot reach the agent.",
    because("site:SRV-SYNC01/tcp", "his-eur1.servicebus.windows.net:443 times out, other hosts answer"),
    because("graph:jobs/j1", "its cycles end with HybridIdentityServiceNoActiveAgents", AT - timedelta(hours=3)),
    because("site:SRV-SYNC01/relay", "our own relay, in the same domain, is silent too; HTTPS answers"),
    because("site:SRV-SYNC01/dns", "the name is resolved"),
    fix=(
        "Allow outbound TCP 443 from SRV-SYNC01 to *.servicebus.windows.net, without TLS inspection.",
        "Restart the service AADConnectProvisioningAgent on SRV-SYNC01.",
        "Provision one known user on demand.",
    ),
)
TAKEN_ADDRESS = found(
    "match-dup-proxy",
    "The group Front Desk already has the mail address frontdesk@contoso.com, so the cloud refuses it here.",
    because("graph:provisioningLogs/r1", "export failed: AttributeValueMustBeUnique", AT - timedelta(minutes=24)),
    because("graph:groups/g1", "Front Desk holds frontdesk@contoso.com", None),
    fix=("Decide who shall have the address, and take it from the other one.", "Run this one account again."),
)
LIKELY_SCOPE = found(
    "scope-ou-not-selected",
    "OU=Contractors is not among the containers that are synced.",
    because("graph:schema/j1", "the scope names OU=Staff alone"),
    fix=("Select the container in the scope of the configuration.",),
    certainty=Certainty.LIKELY,
)
NOT_YET = found(
    "sched-not-yet",
    "The change in Active Directory is 3 minutes old; it is taken in the next cycle.",
    because("site:SRV-SYNC01/directory", "last changed 09:27 UTC", AT - timedelta(minutes=3)),
    fix=("Wait for the next cycle.",),
    kind=Kind.WAITING,
)
NOISE = found(
    "agent-noise-perfcounter",
    "Errors about performance counters in the agent's event log mean nothing.",
    because("site:SRV-SYNC01/eventlog", "event 100"),
    kind=Kind.NOTE,
)
ABSENT = found(
    "obj-not-in-ad",
    "No account by the name zzz was found in Active Directory by any probe.",
    because("site:SRV-SYNC01/directory", "no object"),
    kind=Kind.NOTE,
)
SOURCES = (
    Source("graph:jobs", True, AT, 150),
    Source("graph:provisioningLogs", True, AT, 420),
    Source("graph:agents", False, AT, 80, "the app lacks the permission OnPremisesPublishingProfiles.ReadWrite.All"),
    Source("site:tcp", True, AT, 900),
)
TRACE = tuple(
    TraceStep(step, result)
    for step, result in (
        ("import", "failed"),
        ("scope", "ok"),
        ("match", "unknown"),
        ("act", "unknown"),
        ("export", "unknown"),
    )
)
COMMON: dict[str, Any] = {
    "at": AT,
    "ruled_out": ("obj-wrong-dn", "scope-ou-not-selected", "q-too-many-deletes"),
    "undecided": (("gmsa-locked", "probe SRV-SYNC02 is silent"),),
    "sources": SOURCES,
    "trace": TRACE,
    "configuration": "corp.contoso.com",
    "last_good": BEGAN,
    "portal": "https://entra.microsoft.com/#view/Microsoft_AAD_Connect_Provisioning/CloudSyncMenuBlade",
    "took_ms": 1_840,
    "case_id": "70a6519f",
}


def verdict(state: State, headline: str, subject: Subject = JANE, **more: Any) -> Verdict:
    return Verdict(**{**COMMON, "subject": subject, "state": state, "headline": headline, **more})


PROVEN = verdict(
    State.BLOCKED,
    BLOCKED_PORT.finding.says,
    causes=(BLOCKED_PORT,),
    also=(found("agent-none-active", "No agent listens for corp.contoso.com."), NOISE),
    explained={BLOCKED_PORT.id: ("agent-active-but-deaf", "agent-none-active", "sched-quarantine-slow")},
    reach=ReachOfCause(199, "corp.contoso.com", BEGAN),
    clocks=Clocks(retry=AT + timedelta(hours=3), disabled_on=AT + timedelta(days=28)),
)
LIKELY = verdict(
    State.BLOCKED,
    LIKELY_SCOPE.finding.says,
    causes=(LIKELY_SCOPE,),
    settle=Settle("directory", "AD admin", "Run `whysync probe check directory` on the agent's server (it is silent)."),
    clocks=Clocks(cycle=AT + timedelta(seconds=90)),
    reach=ReachOfCause(1, "corp.contoso.com", None),
)
SEVERAL = verdict(
    State.BLOCKED,
    BLOCKED_PORT.finding.says,
    causes=(BLOCKED_PORT, TAKEN_ADDRESS, LIKELY_SCOPE),
    reach=ReachOfCause(199, "corp.contoso.com", BEGAN),
)
WAITING = verdict(
    State.WAITING,
    NOT_YET.finding.says,
    causes=(NOT_YET,),
    also=(NOISE,),
    clocks=Clocks(cycle=AT + timedelta(seconds=90)),
    last_good=AT - timedelta(seconds=30),
)
FINE = verdict(
    State.FINE,
    "jdoe@contoso.com is in sync, last written on 20 Nov 2026 at 08:00 UTC.",
    also=(NOISE,),
    clocks=Clocks(cycle=AT + timedelta(seconds=90)),
    last_good=AT - timedelta(seconds=30),
)
CANNOT_TELL = verdict(
    State.CANNOT_TELL,
    "From here it cannot be told why jdoe@contoso.com does not sync; the check that would settle it: tcp.",
    settle=Settle("tcp", "AD admin", "Run `whysync probe check tcp` on the agent's server (it is silent)."),
)
NOT_FOUND = verdict(
    State.NOT_FOUND,
    "zzz is in neither Active Directory nor Entra ID.",
    NOBODY,
    also=(ABSENT,),
    trace=(),
    configuration=None,
)
AMBIGUOUS = verdict(
    State.AMBIGUOUS, "jsmith could be any of 2. Which one do you mean?", NAMESAKES, trace=(), configuration=None
)
WELL = verdict(
    State.FINE, "Sync is healthy: every configuration runs on schedule.", TENANT, trace=(), clocks=Clocks(cycle=AT)
)

VERDICTS = {
    "blocked": PROVEN,
    "blocked-likely": LIKELY,
    "several-causes": SEVERAL,
    "waiting": WAITING,
    "fine": FINE,
    "cannot-tell": CANNOT_TELL,
    "not-found": NOT_FOUND,
    "ambiguous": AMBIGUOUS,
}


def case(
    text: str, subject: Subject, facts: Mapping[type[Fact], Fact | Missing] | None = None, **ask: Any
) -> Case[Subject]:
    asked = Ask(
        text, ask.pop("intent", "logs"), ask.pop("slots", Slots()), None, "Alex Admin", case_id="70a6519f", **ask
    )
    return Case(asked, subject, Evidence(facts or {}, SOURCES), Diagnosis((), (), ()), AT, 640, 7)


def job(name: str, kind: str = "AD2AADProvisioning", **status: Any) -> SyncJob:
    ran = {"state": "Succeeded", "timeBegan": "2026-11-20T09:28:10Z", "timeEnded": "2026-11-20T09:28:40Z"}
    body = {
        "id": f"{kind}.{name}",
        "templateId": kind,
        "schedule": {"interval": "PT2M", "state": "Active"},
        "status": {"code": "Active", "lastExecution": ran, "lastSuccessfulExecution": ran} | status,
    }
    return SyncJob.from_graph(body, {"id": f"sp-{name}", "displayName": name})


QUARANTINED = job(
    "emea.contoso.com",
    code="Quarantine",
    quarantine={
        "reason": "TooManyDeletes",
        "currentBegan": "2026-11-19T12:00:00Z",
        "nextAttempt": "2026-11-20T12:30:00Z",
        "seriesBegan": "2026-11-19T12:00:00Z",
        "seriesCount": 2,
    },
)
JOBS = Jobs(
    Record("graph:jobs/-", AT),
    (job("corp.contoso.com"), job("corp.contoso.com", "AD2AADPasswordHash"), QUARANTINED),
)
AGENTS = Agents(
    Record("graph:agents/-", AT),
    (
        Agent(Record("graph:agents/a1"), "a1", "srv-sync01.corp.contoso.com", True, ("Default group",), ()),
        Agent(Record("graph:agents/a2"), "a2", "srv-sync02.emea.contoso.com", False, (), ()),
    ),
)


def contact(probe: str, *, relay: bool, fallback: bool) -> Contact:
    records = Record(f"site:{probe}/relay", AT), Record(f"site:{probe}/fallback", AT)
    return Contact(*records, probe, relay, fallback, AT - timedelta(minutes=20), True)


def install(version: str) -> AgentResult:
    unknown = dict.fromkeys(each.name for each in fields(AgentResult))
    return AgentResult(**{**unknown, "installed": True, "version": version})


SITES: dict[type[Fact], Fact | Missing] = {
    Agents: AGENTS,
    Contacts: Contacts(
        Record("site:-/relay", AT),
        (contact("SRV-SYNC01", relay=False, fallback=True), contact("SRV-SYNC02", relay=False, fallback=False)),
    ),
    Services: Services(
        Record("site:-/services", AT),
        (
            Seen(
                Record("site:SRV-SYNC01/services", AT),
                "SRV-SYNC01",
                None,
                True,
                None,
                (ServiceState("AADConnectProvisioningAgent", None, "Running", "Auto", None, None),),
            ),
        ),
    ),
    AgentInstall: AgentInstall(
        Record("site:-/agent", AT),
        (Seen(Record("site:SRV-SYNC01/agent", AT), "SRV-SYNC01", None, True, None, install("1.1.3730.0")),),
    ),
}


def row(number: int, name: str = "Jane Doe", **error: Any) -> LogRow:
    status = {"status": "failure", "errorInformation": error} if error else {"status": "success"}
    return LogRow.from_graph(
        {
            "id": f"r{number}",
            "activityDateTime": f"2026-11-20T{9 - number % 9:02}:06:00.1234567Z",
            "provisioningAction": "update",
            "provisioningStatusInfo": status,
            "sourceIdentity": {"id": f"{GUID[:-4]}{number:04}", "displayName": name, "identityType": "user"},
            "provisioningSteps": [
                {"name": "EntryImport", "provisioningStepType": "import", "status": "success", "description": "Read."},
                {
                    "name": "EntryExportUpdate",
                    "provisioningStepType": "export",
                    "status": status["status"],
                    "description": "Written." if not error else "Refused.",
                },
            ],
            "modifiedProperties": [
                {"displayName": "mail", "oldValue": "jdoe@contoso.com", "newValue": "jane@contoso.com"}
            ],
        }
    )


REFUSED = {"errorCode": "ContosoUnheardOf", "reason": "Another object holds smtp:frontdesk@contoso.com."}
ROWS = SubjectRows(Record("graph:provisioningLogs/r1", AT), (row(1, **REFUSED), row(2)), AT - timedelta(days=7))
NO_ATTEMPTS = Attempts(Record("graph:provisionOnDemand/-", AT), ())
RECENT = RecentRows(
    Record("graph:provisioningLogs/-", AT),
    tuple(row(n, f"user{n}@contoso.com", **REFUSED) for n in range(1, 10)),
    AT - timedelta(hours=24),
)


def entry(number: int, who: str = "Sam Second") -> AuditEntry:
    values = dict.fromkeys(each.name for each in fields(AuditEntry))
    at = AT - timedelta(hours=number)
    told = {
        "record": Record(f"graph:directoryAudits/d{number}", at),
        "at": at,
        "actor": who,
        "activity": "Update scope",
    }
    return AuditEntry(**{**values, **told})


CHANGES = ConfigurationChanges(Record("graph:directoryAudits/-", AT), (entry(2), entry(30)), AT - timedelta(days=30))
NO_LOG = Missing("the app lacks the permission ProvisioningLog.Read.All")
