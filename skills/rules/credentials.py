"""The account that the agent's service runs as: does it exist, may it log on, is its password managed."""

from collections.abc import Sequence

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.reading import moment
from skills.facts.site import EventLog, Gmsa, Host, Seen, Services, Trace
from skills.facts.site_records import Event, GmsaResult, ServiceState
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.agent_service import all_stopped
from skills.rules.chain import STOPPED, channel_works
from skills.rules.channel_state import agent_service, first_of, numbered, told

START = "Start the service AADConnectProvisioningAgent again."
GmsaSeen = Seen[GmsaResult]
KDS_HOURS = 10
"""A new root key may be used only after this time."""

CANNOT_LOG_ON = STOPPED | {"agent-install-partial"}

# Logging on.


@rule("gmsa-logon-right-missing", "May the service log on?", explains=CANNOT_LOG_ON)
def logon_right_missing(services: Services, log: EventLog | Missing, gmsa: Gmsa | Missing) -> Finding | None:
    down, refused = all_stopped(services), numbered(log, 7041)
    without = [seen for seen in _accounts(gmsa) if seen.value.logon_right is False]
    if down is None or not (refused or without):
        return None
    seen, service = down
    return proven(
        f"{service.account or 'The service account'} lost the right to log on as a service on {seen.probe}.",
        because=[
            *(_event(pair, "the right “Log on as a service” is missing") for pair in refused[:1]),
            *(
                each.record.saying(f"{each.value.account or 'the account'} lacks the logon right")
                for each in without[:1]
            ),
            seen.record.saying(f"{service.name} is {service.state}"),
        ],
        fix=[
            "Put NT SERVICE\\ALL SERVICES and the gMSA into “Log on as a service” of the group policy that wins there.",
            f"Run gpupdate /force on {seen.probe}. {START}",
        ],
        since=first_of(refused) or service.since,
    )


@rule("gmsa-not-managed-7038", "Does Windows manage the password of the service account?", explains=CANNOT_LOG_ON)
def not_managed(services: Services, log: EventLog | Missing, gmsa: Gmsa | Missing) -> Finding | None:
    down, refused = all_stopped(services), numbered(log, 7038)
    usable = [seen for seen in _accounts(gmsa) if seen.value.test]
    unusable = [seen for seen in _accounts(gmsa) if seen.value.test is False]
    if down is None or not refused or unusable or not _managed_name(down[1].account):
        return None
    return (proven if usable and not numbered(log, 7041) else likely)(
        f"Windows tries an old password for {down[1].account or 'the gMSA'} on {down[0].probe} instead of fetching it.",
        because=[
            _event(refused[0], "the user name or password is incorrect"),
            *(seen.record.saying("the server itself can fetch the password") for seen in usable[:1]),
            down[0].record.saying(f"{down[1].name} is {down[1].state}"),
        ],
        fix=["Run: sc.exe managedaccount aadconnectprovisioningagent true", START],
        since=first_of(refused),
    )


def _managed_name(account: str | None) -> bool:
    return account is None or account.endswith("$")


def _event(pair: tuple[Event, Seen[tuple[Event, ...]]], says: str) -> Because:
    event, seen = pair
    return seen.record.saying(f"System event {event.id}: {says}")


def _accounts(gmsa: Gmsa | Missing) -> Sequence[GmsaSeen]:
    return () if isinstance(gmsa, Missing) else gmsa.on_agent_hosts()


@rule(
    "gmsa-host-not-allowed",
    "May the server fetch the gMSA's password?",
    explains=CANNOT_LOG_ON | {"gmsa-not-managed-7038", "ad-ldap-bind-failed"},
)
def host_not_allowed(
    now: Now,
    gmsa: Gmsa,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    services: Services | Missing,
    host: Host | Missing,
    log: EventLog | Missing,
) -> Finding | None:
    shut = [seen for seen in gmsa.on_agent_hosts() if seen.value.test is False]
    every = gmsa.on_agent_hosts()
    if not shut or len(shut) < len(every) or _goes_on(now, jobs, subject) or _other_reason(shut[0].value, log):
        return None
    seen = shut[0]
    listed, name = seen.value.hosts_allowed, _host_name(seen.probe, host)
    if listed is not None and any(name.lower() in entry.lower() for entry in listed):
        return None
    return (proven if listed is not None and not any(map(_may_hold_others, listed)) else likely)(
        f"{name} is not allowed to fetch the password of {seen.value.account or 'the gMSA'}.",
        because=[
            seen.record.saying(f"the password cannot be fetched; allowed: {', '.join(listed or ()) or 'not known'}"),
            *_down(services),
        ],
        fix=[
            f"Add {name}$ (or its group) to PrincipalsAllowedToRetrieveManagedPassword of the gMSA.",
            f"Restart {name}, or purge its tickets (klist -li 0x3e7 purge). {START}",
        ],
    )


def _may_hold_others(entry: str) -> bool:
    """A group, whose members are not told: this server may be one of them. Accounts of computers end in `$`."""
    return not entry.rstrip().endswith("$") and "=" not in entry


def _goes_on(now: Now, jobs: Jobs | Missing, subject: SubjectJob | Missing) -> bool:
    return not isinstance(jobs, Missing) and channel_works(jobs, subject, now.at) is not None


def _other_reason(account: GmsaResult, log: EventLog | Missing) -> bool:
    no_key = account.kds_known and account.kds_root_key is None
    return no_key or bool(numbered(log, 9001, 9002)) or account.account is None


def _host_name(probe: str, host: Host | Missing) -> str:
    known = () if isinstance(host, Missing) else reached.of_probe(host.seen, probe)
    return next((seen.value.name for seen in known if seen.value.name), probe).partition(".")[0]


def _down(services: Services | Missing) -> list[Because]:
    down = None if isinstance(services, Missing) else all_stopped(services)
    return [down[0].record.saying(f"{down[1].name} is {down[1].state}")] if down else []


# The keys behind it.


@rule(
    "gmsa-enc-types",
    "Do server and gMSA share a Kerberos encryption type?",
    explains=CANNOT_LOG_ON
    | {"gmsa-kds-missing", "gmsa-not-managed-7038", "gmsa-host-not-allowed", "ad-ldap-bind-failed"},
)
def encryption_types(
    now: Now,
    log: EventLog,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    gmsa: Gmsa | Missing,
) -> Finding | None:
    refused = [pair for pair in numbered(log, 9001, 9002) if "netlogon" in f"{pair[0].source} {pair[0].log}".lower()]
    if not refused or _goes_on(now, jobs, subject):
        return None
    types = [seen for seen in _accounts(gmsa) if seen.value.encryption_types]
    return proven(
        "The server accepts other Kerberos encryption types than the gMSA has, so the account cannot be used.",
        because=[
            _event(refused[0], "Netlogon cannot use the managed account"),
            *(seen.record.saying(f"the gMSA has {seen.value.encryption_types}") for seen in types[:1]),
        ],
        fix=[
            "Run: Set-ADServiceAccount provAgentgMSA -KerberosEncryptionType AES128,AES256",
            f"Restart the server. {START}",
        ],
        since=first_of(refused),
    )


@rule(
    "gmsa-kds-missing",
    "Has the domain a root key for managed passwords?",
    explains=CANNOT_LOG_ON | {"gmsa-host-not-allowed"},
)
def root_key_missing(
    now: Now,
    gmsa: Gmsa,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    services: Services | Missing,
    log: EventLog | Missing,
    trace: Trace | Missing,
) -> Finding | None:
    words = told(("kds may not be running",), log, trace)
    unusable = [seen for seen in gmsa.on_agent_hosts() if seen.value.test is not True and _key_lacks(seen.value, now)]
    if not unusable or _goes_on(now, jobs, subject) or numbered(log, 9001, 9002):
        return None
    seen = unusable[0]
    return (proven if words or _down(services) or seen.value.test is False else likely)(
        "The domain has no root key that managed passwords could be made from, or it is not yet old enough.",
        because=[
            seen.record.saying(f"KDS root key: {seen.value.kds_root_key or 'none'}"),
            *([words] if words else []),
            *_down(services),
        ],
        fix=["Run Add-KdsRootKey -EffectiveImmediately on a domain controller, wait ten hours, run the wizard again."],
    )


def _key_lacks(account: GmsaResult, now: Now) -> bool:
    made = moment({"at": account.kds_root_key}, "at")
    young = made is not None and (now.at - made).total_seconds() < KDS_HOURS * 3600
    return account.kds_known and (account.kds_root_key is None or young)


# The account itself.


@rule(
    "gmsa-deleted-or-recreated",
    "Is the gMSA still the account it was?",
    explains=CANNOT_LOG_ON | {"gmsa-host-not-allowed", "gmsa-not-managed-7038", "gmsa-custom-no-permissions"},
)
def account_gone(
    now: Now, gmsa: Gmsa, services: Services, jobs: Jobs | Missing, subject: SubjectJob | Missing
) -> Finding | None:
    gone = [seen for seen in gmsa.on_agent_hosts() if _gone(seen)]
    if not gone or _goes_on(now, jobs, subject):
        return None
    named = next((service.account for each in services.seen if (service := agent_service(each))), None)
    return (proven if _down(services) else likely)(
        f"The account {named or gone[0].value.account or 'of the service'} is no longer in Active Directory as it was.",
        because=[gone[0].record.saying(gone[0].error or "no such account is found"), *_down(services)],
        fix=[
            "Restore the gMSA from the Active Directory recycle bin, or run the agent's wizard again.",
            "Set the agent's permissions anew with Set-AADCloudSyncPermissions.",
        ],
    )


def _gone(seen: GmsaSeen) -> bool:
    words = (seen.error or "").lower()
    lost = "not found" in words or "cannot find" in words or "no such object" in words or "unresolved sid" in words
    return seen.value.test is not True and (
        lost or ("account" in seen.value.extra and seen.value.account is None and seen.value.test is False)
    )


# A person's account in place of a gMSA.


@rule("gmsa-runs-as-domain-admin", "Does the service run as a managed account?", explains=CANNOT_LOG_ON)
def person_cannot_log_on(services: Services, log: EventLog) -> Finding | None:
    down, refused = all_stopped(services), numbered(log, 7038, 7000)
    if down is None or not refused or not _person(down[1]):
        return None
    return proven(
        f"The agent's service runs as {down[1].account}, whose password no longer fits.",
        because=[
            down[0].record.saying(f"{down[1].name} is {down[1].state} and runs as {down[1].account}"),
            _event(refused[0], refused[0][0].text[:120]),
        ],
        fix=["Set the service back to its gMSA, with the right to log on as a service.", START],
        since=first_of(refused),
    )


@rule("gmsa-runs-as-domain-admin", "Does the service do without a person's account?", kind=Kind.NOTE)
def runs_as_person(services: Services) -> Finding | None:
    for seen in services.on_agent_hosts():
        service = agent_service(seen)
        if service and _person(service) and service.state.lower() == "running":
            return proven(
                f"The agent's service on {seen.probe} runs as {service.account}: a risk that ends with that password.",
                because=[seen.record.saying(f"{service.name} runs as {service.account}")],
                fix=["Set the service back to its gMSA."],
            )
    return None


def _person(service: ServiceState) -> bool:
    account = (service.account or "").lower()
    builtin = ("nt service", "nt authority", "localsystem", "networkservice", "local service")
    return bool(account) and not account.endswith("$") and not account.startswith(builtin)


CREDENTIALS: tuple[Rule, ...] = (
    encryption_types,
    root_key_missing,
    account_gone,
    host_not_allowed,
    logon_right_missing,
    not_managed,
    person_cannot_log_on,
    runs_as_person,
)
