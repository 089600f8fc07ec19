"""Allow held deletions: two people decide on the very list, and one name more or fewer voids what they decided."""

import asyncio
from collections.abc import Mapping

from bot.acts import Action, Look, Plan, Refused, Seen, Thing
from bot.answering import Ask
from bot.evidence import SourceError
from bot.reach import Reach
from skills.acts.clear_quarantine import cause
from skills.acts.person_world import account_now
from skills.acts.request_body import ALLOW_DELETES, RESET_SCOPES, accepted
from skills.acts.staged import NOWHERE, Staged, StagedDeletes, staged_deletes
from skills.acts.still_there import SAMPLE, now_in_ad
from skills.acts.which_job import called_job, is_hashes, job_now, job_thing, job_world, which_job
from skills.facts.jobs import SyncJob
from skills.phrases.acts import ALLOW_DELETES as ALLOW
from skills.scoping import parent_of, same_dn
from skills.views.acts import deletions, quarantine_clock

ACCEPTED = "Microsoft Graph accepted it; the deletions do not show yet. Ask for the sync status in a few minutes."
NONE = "No job holds deletions back."


async def plan(ask: Ask, reach: Reach) -> Plan | Refused:
    job = await which_job(ask, reach, holds_deletions, "allow the deletes", NONE)
    if isinstance(job, Refused):
        return job
    try:
        staged = await staged_deletes(job, reach, fresh=True)
        refusal = _refusal(staged)
        if refusal:
            return refusal
        params = {"resetScope": RESET_SCOPES[ALLOW_DELETES]}
        thing, sends = await job_thing(ALLOW_DELETES, job, params, _world(job, staged), reach)
        warnings = await what_moved(staged, reach)
    except SourceError as error:
        return Refused(f"What a decision rests on could not be read: {error.reason}")
    return Plan(
        thing,
        f"Delete {_accounts(staged)} of {called_job(job)}",
        cause(job),
        _effect(staged),
        sends,
        job.configuration,
        warnings,
        (*deletions(staged), *quarantine_clock(job)),
    )


def holds_deletions(job: SyncJob) -> bool:
    reason = (job.quarantine.reason if job.quarantine else None) or ""
    coded = any("toomanydeletes" in code.lower() for code in job.error_codes)
    return not is_hashes(job) and (reason.lower() == "toomanydeletes" or coded)


def _refusal(staged: StagedDeletes) -> Refused | None:
    if not staged.complete:
        return Refused("The list of held deletions could not be read whole, and nobody should decide on a part of it.")
    return None if staged.rows else Refused("The log names nobody whose deletion is held: there is nothing to decide.")


def _accounts(staged: StagedDeletes) -> str:
    return "1 account" if len(staged.rows) == 1 else f"{len(staged.rows)} accounts"


def _effect(staged: StagedDeletes) -> tuple[str, ...]:
    groups = sum(row.kind == "group" for row in staged.rows)
    told = (
        f"{_accounts(staged)} in Entra will be deleted: no sign-in, mail or files for those people.",
        "This cannot be undone as a whole: for 30 days each can be restored from the recycle bin, one by one.",
    )
    return (*told, f"{groups} of them are groups, and a security group cannot be restored.") if groups else told


async def what_moved(staged: StagedDeletes, reach: Reach) -> tuple[str, ...]:
    """Who is still in Active Directory did not leave: an OU was moved, or the scope was changed."""
    sample = _spread(staged)
    try:
        places = await asyncio.gather(*(now_in_ad(row, reach) for row in sample))
        accounts = await asyncio.gather(*(account_now(row.target_id, reach) for row in sample))
    except SourceError as error:
        return (f"Whether these people are still in Active Directory could not be looked up: {error.reason}.",)
    told: dict[tuple[str, str], str] = {}
    for row, ad, account in zip(sample, places, accounts, strict=True):
        if ad is not None and not ad.deleted:
            was, now = parent_of(account.dn) if account and account.dn else None, parent_of(ad.dn)
            told.setdefault((was or row.place, now or NOWHERE), row.name)
    return tuple(_still_there(was, now, name) for (was, now), name in told.items())


def _spread(staged: StagedDeletes) -> list[Staged]:
    """One of each place, the largest places first, then more of the largest."""
    groups = list(staged.by_place.values())
    rows = [rows[depth] for depth in range(SAMPLE) for rows in groups if len(rows) > depth]
    return rows[:SAMPLE]


def _still_there(was: str, now: str, name: str) -> str:
    if same_dn(was, now):
        return f"{name} is still in Active Directory, in {now}: the scope has changed, not the people."
    return f"{was} was moved, not deleted: {name} is still in Active Directory, now in {now}."


def _world(job: SyncJob, staged: StagedDeletes) -> dict[str, str]:
    return job_world(job) | {"deletions": str(len(staged.rows)), "digest": staged.digest}


async def observe(thing: Thing, reach: Reach) -> Mapping[str, str]:
    job = await job_now(thing, reach)
    staged = await staged_deletes(job, reach, fresh=True)
    if not staged.complete:
        raise SourceError("the list of held deletions could not be read whole")
    return _world(job, staged)


async def verify(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
    job = await job_now(thing, reach)
    now = job_world(job)
    if not job.quarantined:
        return Look(Seen.CHANGED, f"The {before.get('deletions', '')} deletions are let through.", now)
    if now["began"] != before.get("began"):
        says = f"The job ran and is in quarantine again. {cause(job)}"
        return Look(Seen.CHANGED, says, now, quarantine_clock(job), succeeded=False)
    return Look(Seen.UNCHANGED, ACCEPTED, now)


allow_deletes = Action(
    ALLOW_DELETES,
    (ALLOW,),
    approvers=2,
    plan=plan,
    observe=observe,
    call=accepted(ALLOW_DELETES, ACCEPTED),
    verify=verify,
    irreversible=True,
)
