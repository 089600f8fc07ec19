"""What is seen, which undecided causes would account for it, and the one check that would settle most of them."""

from collections import Counter
from collections.abc import Iterable

from bot.diagnosis import Diagnosis, Undecided
from bot.evidence import Evidence, Fact, Gaps, Missing
from skills.catalogue import catalogue
from skills.facts import directory, jobs, log, site, subject
from skills.facts.schema import SyncSchema
from skills.facts.subject import SubjectKind
from skills.rules.chain import channel_code
from skills.silence import unheard
from skills.verdict import Settle

CHANNEL_LAYERS = frozenset({"network", "agent", "gmsa"})
DIRECTORY_LAYERS = frozenset({"ad-link"})
ACCOUNT_LAYERS = frozenset({"cloud"})
JOB_LAYERS = frozenset({"quarantine", "deletion", "schedule"})
PERSON_LAYERS = frozenset({"ad-object", "scope", "attribute", "matching", "schedule"})
VALUE_LAYERS = frozenset({"attribute", "matching", "cloud", "scope", "ad-object"})

PREFERENCE: tuple[type[Fact], ...] = (
    log.SubjectRows,
    log.RecentRows,
    jobs.Jobs,
    jobs.SubjectJob,
    subject.AdAccount,
    site.Directory,
    subject.Placement,
    site.Containers,
    site.Services,
    site.Tcp,
    site.EventLog,
    site.Tls,
    site.Dns,
    site.WebSocket,
    site.Gmsa,
    site.AgentInstall,
    SyncSchema,
)
"""On equal terms the check that comes first is proposed: the order in which an admin would look."""


def layers_in_question(evidence: Evidence) -> frozenset[str]:
    """The layers whose causes would account for what is seen."""
    known = evidence.get(jobs.Jobs)
    seen: set[str] = set()
    if isinstance(known, Missing):
        seen |= JOB_LAYERS
    else:
        for job in known.provisioning:
            codes = " ".join(job.error_codes).lower()
            if channel_code(job):
                seen |= CHANNEL_LAYERS
            elif "hybridsynchronization" in codes:
                seen |= DIRECTORY_LAYERS | CHANNEL_LAYERS
            elif codes:
                seen |= ACCOUNT_LAYERS | JOB_LAYERS
    return frozenset(seen or _about_the_person(evidence))


def _about_the_person(evidence: Evidence) -> frozenset[str]:
    account = evidence.get(directory.CloudAccount)
    if isinstance(account, Missing) or account.user is None:
        return PERSON_LAYERS
    return VALUE_LAYERS


def relevant(diagnosis: Diagnosis, evidence: Evidence) -> tuple[Undecided, ...]:
    layers = layers_in_question(evidence)
    entries = catalogue()
    return tuple(each for each in diagnosis.undecided if entries[each.rule.id].layer in layers)


def settle(diagnosis: Diagnosis, evidence: Evidence, kind: SubjectKind) -> Settle:
    """The missing fact that would decide most of the relevant rules; with nothing missing, a run of this one user."""
    open_rules = relevant(diagnosis, evidence)
    if kind is SubjectKind.TENANT:
        open_rules = tuple(each for each in open_rules if not _about_somebody(each)) or open_rules
    counts = _weights(open_rules, _closed(evidence))
    if not counts:
        return RUN_ONE
    best = max(counts, key=lambda fact: (counts[fact], -_preference(fact)))
    return _settle(best, evidence)


RUN_ONE = Settle(
    "provisionOnDemand",
    "identity admin",
    "Provision this one user on demand in the portal and look at the step that fails. It writes, and ignores scope.",
)


def _weights(open_rules: Iterable[Undecided], closed: frozenset[str]) -> dict[type[Fact], float]:
    """How much each missing fact would decide. A licence or a right is harder to get than a check is to run."""
    weights: Counter[type[Fact]] = Counter()
    for each in open_rules:
        for fact, reason in each.missing:
            weights[fact] += (2 if len(each.missing) == 1 else 1) * (1 if reason in closed else 4)
    return dict(weights)


def _closed(evidence: Evidence) -> frozenset[str]:
    gaps = evidence.get(Gaps)
    known = () if isinstance(gaps, Missing) else gaps.gaps
    return frozenset(gap.reason for gap in known if gap.error in ("Unlicensed", "Forbidden"))


def _about_somebody(each: Undecided) -> bool:
    about = (subject.AdAccount, subject.Placement, site.Directory, directory.CloudAccount, log.SubjectRows)
    return any(fact in about for fact, _ in each.missing)


def _preference(fact: type[Fact]) -> int:
    return PREFERENCE.index(fact) if fact in PREFERENCE else len(PREFERENCE)


def _settle(fact: type[Fact], evidence: Evidence) -> Settle:
    check = fact.needs or fact.__name__
    missing = evidence.get(fact)
    reason = missing.reason.rstrip(".") if isinstance(missing, Missing) else "it has not been asked"
    if issubclass(fact, site.SiteFact) or fact in (subject.AdAccount, subject.Placement):
        where = ", ".join(each.probe for each in unheard(evidence)) or "the agent's server"
        how = f"Run `whysync probe check {check}` on {where} ({reason})."
        if check == "directory":
            how = f"Look the person up in Active Directory and ask again with the distinguished name ({reason})."
        return Settle(check, "AD admin", how)
    if fact is site.Contacts:
        return Settle("probe contact", "AD admin", f"Start the probe's service ({reason}).")
    return Settle(check, "identity admin", f"Make the {check} readable: {reason}.")
