"""What the agent's account may read in Active Directory: one place closed to it, or everything."""

from collections.abc import Iterable, Sequence

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.site import Access, Containers, Control, Directory, EventLog, Gmsa, Seen, SiteFact, Trace
from skills.facts.site_records import Look
from skills.facts.subject import Placement
from skills.facts.tenant import Now
from skills.rules.chain import QUARANTINE_EFFECTS, channel_works
from skills.rules.channel_state import told
from skills.scoping import lies_under

GRANT = "Grant the gMSA Read all properties there: Set-AADCloudSyncPermissions -PermissionType BasicRead."

LookSeen = tuple[Look, Seen[tuple[Look, ...]]]


def looks(fact: SiteFact[tuple[Look, ...]] | Missing) -> list[LookSeen]:
    return [] if isinstance(fact, Missing) else [(look, seen) for seen in fact.seen for look in seen.value]


def as_agent(pair: LookSeen) -> bool:
    """The look was made, or worked out, as the agent's account."""
    return (pair[0].identity or "").lower() in ("gmsa", "computed")


def finds(pair: LookSeen) -> bool:
    return any(not item.deleted for item in pair[0].objects)


def fails(pair: LookSeen) -> bool:
    """Nobody there, or no access. A look that broke for another reason says nothing."""
    if finds(pair):
        return False
    error = (pair[0].error or "").lower()
    if pair[0].computed:  # one remark for each object; a name in it may hold any word
        return any(each.startswith(("access denied", "insufficient")) for each in error.split("; ")) or not error
    return not error or "denied" in error or "access" in error or "insufficient" in error


def _contrast(pairs: Iterable[LookSeen]) -> tuple[LookSeen, LookSeen] | None:
    """A look of the agent that fails where another account, at the same domain controller, finds the object."""
    every = list(pairs)
    for blind in every:
        for seeing in every:
            if as_agent(blind) and fails(blind) and not as_agent(seeing) and finds(seeing) and _same_dc(blind, seeing):
                return blind, seeing
    return None


def _same_dc(one: LookSeen, other: LookSeen) -> bool:
    first, second = one[0].dc, other[0].dc
    return first is None or second is None or first.lower() == second.lower()


@rule("gmsa-read-denied-ou", "May the agent read the person's object?")
def read_denied(
    now: Now,
    placement: Placement,
    directory: Directory | Missing,
    access: Access | Missing,
    containers: Containers | Missing,
    control: Control | Missing,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
) -> Finding | None:
    contrast, denied = _contrast(looks(directory)), _denied(access, containers, placement)
    general = any(as_agent(pair) and fails(pair) for pair in looks(control)) and not any(map(finds, _agents(control)))
    if general or not (contrast or denied):
        return None
    if not contrast and any(map(finds, _agents(directory))):
        return None  # it did read the object; what an access list says then weighs less
    reads_elsewhere = any(map(finds, _agents(control))) or (
        not isinstance(jobs, Missing) and channel_works(jobs, subject, now.at) is not None
    )
    return (proven if reads_elsewhere else likely)(
        f"The agent's account may not read {placement.dn}, which is there for everybody else.",
        because=[*_seen(contrast), *denied[:2], *_other(control)][:4],
        fix=[
            GRANT,
            "Remove a deny entry and let the container inherit permissions again.",
            "Then sync the person now.",
        ],
        action="provision_on_demand",
    )


def _agents(fact: SiteFact[tuple[Look, ...]] | Missing) -> Sequence[LookSeen]:
    return [pair for pair in looks(fact) if as_agent(pair)]


def _seen(contrast: tuple[LookSeen, LookSeen] | None) -> list[Because]:
    if contrast is None:
        return []
    (blind, by_agent), (seeing, by_probe) = contrast
    return [
        by_agent.record.saying(f"as {blind.identity} nothing is found; as {seeing.identity} {seeing.objects[0].dn} is"),
        *([by_probe.record.saying(f"found as {seeing.identity}")] if by_probe.record != by_agent.record else []),
    ]


def _denied(access: Access | Missing, containers: Containers | Missing, placement: Placement) -> list[Because]:
    found = [
        seen.record.saying(
            f"the gMSA cannot read {seen.value.dn}" + ("; no inheritance" if seen.value.inherits is False else "")
        )
        for seen in (() if isinstance(access, Missing) else access.seen)
        if seen.value.gmsa_can_read is False
    ]
    for seen in () if isinstance(containers, Missing) else containers.seen:
        shut = [
            each for each in seen.value if each.exists and each.readable is False and lies_under(placement.dn, each.dn)
        ]
        found += [seen.record.saying(f"the container {each.dn} cannot be read") for each in shut[:1]]
    return found


def _other(control: Control | Missing) -> list[Because]:
    good = [pair for pair in _agents(control) if finds(pair)]
    return [good[0][1].record.saying("the known-good object can be read as the same account")] if good else []


@rule(
    "gmsa-custom-no-permissions",
    "May the agent's account read anything?",
    explains=QUARANTINE_EFFECTS | {"gmsa-read-denied-ou"},
)
def reads_nothing(control: Control, gmsa: Gmsa | Missing, containers: Containers | Missing) -> Finding | None:
    contrast = _contrast(looks(control))
    shut = (
        []
        if isinstance(containers, Missing)
        else [each for seen in containers.seen for each in seen.value if each.exists]
    )
    nothing = bool(shut) and all(each.readable is False for each in shut)
    blind = any(as_agent(pair) and fails(pair) for pair in looks(control))
    if any(map(finds, _agents(control))) or not (contrast or (blind and nothing)):
        return None
    accounts = [] if isinstance(gmsa, Missing) else [seen for seen in gmsa.seen if seen.value.account]
    custom = [seen for seen in accounts if "provagentgmsa" not in (seen.value.account or "").lower()]
    return (proven if custom and contrast else likely)(
        "The agent's account was given no rights: it cannot even read an object that everybody sees.",
        because=[
            *(_seen(contrast) or [control.record.saying("the known-good object cannot be read")]),
            *(seen.record.saying(f"the account is {seen.value.account}, chosen by hand") for seen in custom[:1]),
        ],
        fix=[
            "Run Set-AADCloudSyncPermissions for the account with BasicRead, and PasswordHashSync if hashes are synced."
        ],
    )


@rule("gmsa-phs-rights-missing", "May the agent's account replicate password hashes?", explains={"q-phs-job-only"})
def no_hash_rights(
    now: Now, subject: SubjectJob, log: EventLog | Missing, trace: Trace | Missing, access: Access | Missing
) -> Finding | None:
    words = told(("replication access was denied", "8453"), log, trace)
    lists = [] if isinstance(access, Missing) else [seen for seen in access.seen if _replication(seen.value.missing)]
    own = subject.password_hash
    failing = own is not None and not own.healthy(now.at)
    if not (words or lists) or own is None or not (failing or words):
        return None
    return (proven if words or (lists and failing) else likely)(
        "The agent's account may not replicate password hashes, so new passwords never reach the cloud.",
        because=[
            *([words] if words else []),
            *(seen.record.saying(f"missing: {', '.join(seen.value.missing)}") for seen in lists[:1]),
            *([own.record.saying("the password hash job fails")] if failing else []),
        ],
        fix=[
            "Run Set-AADCloudSyncPermissions -PermissionType PasswordHashSync and wait for replication.",
            "Restart the password hash job.",
        ],
    )


def _replication(missing: tuple[str, ...]) -> bool:
    return any("replicat" in right.lower() for right in missing)


READ_RIGHTS: tuple[Rule, ...] = (reads_nothing, read_denied, no_hash_rights)
