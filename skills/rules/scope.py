"""Scope: the configuration does not take in the place, the group or the values that the person has."""

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.directory import CloudAccount, RecycleBin
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Containers
from skills.facts.subject import AdAccount, Placement
from skills.facts.tenant import Now
from skills.rules.leaving import former_accounts, kept_by_another, was_moved_out
from skills.rules.lost_containers import Lost, lost, replaces
from skills.rules.placing import OUTSIDE, from_place, placed, selection
from skills.rules.scope_groups import GROUPS
from skills.rules.standing import ad_object, utc
from skills.scoping import (
    Answer,
    Gate,
    place_of,
)


@rule("scope-ou-not-selected", "Does the account lie under a selected container?", explains=OUTSIDE)
def ou_not_selected(
    schema: SyncSchema,
    place: Placement,
    now: Now,
    account: AdAccount | Missing,
    containers: Containers | Missing,
    cloud: CloudAccount | Missing,
    recycled: RecycleBin | Missing,
    rows: SubjectRows | Missing,
    tries: Attempts | Missing,
) -> Finding | None:
    dn, seen, scope = placed(schema, place, account)
    if scope.answer is not Answer.OUT or scope.gate is not Gate.CONTAINER:
        return None
    former = former_accounts(cloud, recycled, seen)
    gone = lost(schema, containers)
    if any(replaces(each, dn, former, seen) for each in gone) or (gone and _all_lost(schema, gone)):
        return None
    if was_moved_out(schema, seen, dn, former) or kept_by_another(cloud, seen, now.at, rows, tries):
        return None
    # A container that was renamed looks the same from here, until somebody has looked at the containers.
    looked = not isinstance(containers, Missing) and (seen or place.record.name.startswith("site:"))
    return (proven if looked else likely)(
        f"The account lies in {dn.partition(',')[2]}, and the configuration syncs only other containers.",
        because=[
            schema.record.saying(f"selected are only: {selection(schema)}"),
            from_place(place, account),
        ],
        fix=[
            f"Move {dn} below one of the selected containers, or add its container to the scope of the configuration.",
            "After changing the scope, save it and restart provisioning, so that accounts already there are read.",
        ],
    )


def _all_lost(schema: SyncSchema, gone: tuple[Lost, ...]) -> bool:
    return {each.dn for each in gone} >= set(schema.containers)


@rule("scope-domain-not-configured", "Is there a configuration for the account's domain?", explains=OUTSIDE)
def domain_not_configured(
    jobs: Jobs,
    own: SubjectJob,
    now: Now,
    place: Placement | Missing,
    cloud: CloudAccount | Missing,
    rows: SubjectRows | Missing,
    tries: Attempts | Missing,
) -> Finding | None:
    if own.job is not None or own.domain is None or kept_by_another(cloud, None, now.at, rows, tries):
        return None
    if any((job.domain or "").lower() == own.domain.lower() for job in jobs.provisioning):
        return None
    known = ", ".join(job.domain or job.configuration for job in jobs.provisioning) or "no domain at all"
    where = [] if isinstance(place, Missing) else [place.record.saying(f"the account is {place.dn}")]
    # The cloud may remember a domain that the account has left.
    read_there = not isinstance(place, Missing) and place.record.name.startswith("site:")
    return (proven if read_there else likely)(
        f"The account is in the domain {own.domain}, for which there is no Cloud Sync configuration.",
        because=[jobs.record.saying(f"there are configurations for: {known}"), *where],
        fix=[
            f"Add {own.domain} to the provisioning agent by running its configuration wizard again.",
            f"Create a Cloud Sync configuration for {own.domain}, choose its scope and enable it.",
        ],
    )


@rule("scope-container-renamed", "Do the selected containers and groups still have their names?", explains=OUTSIDE)
def container_renamed(
    schema: SyncSchema,
    place: Placement,
    containers: Containers,
    account: AdAccount | Missing,
    cloud: CloudAccount | Missing,
    recycled: RecycleBin | Missing,
) -> Finding | None:
    dn, seen, scope = placed(schema, place, account)
    if scope.answer is Answer.IN:
        return None
    former = former_accounts(cloud, recycled, seen)
    gone = lost(schema, containers)
    hit = next((each for each in gone if each.worked(former) and replaces(each, dn, former, seen)), None)
    if hit is None:
        return None
    new = hit.renamed_to or "a name that the probe could not tell"
    return proven(
        f"{hit.dn} is selected in the configuration but is now called {new}, so nobody below it is synced any more.",
        because=[
            hit.record.saying(f"{hit.dn} does not exist; it became {new}"),
            schema.record.saying(f"selected is {hit.dn}"),
            from_place(place, account),
        ],
        fix=[
            f"Put {hit.renamed_to or 'the new DN'} into the scope of the configuration instead of {hit.dn}, and save.",
            "Restart provisioning, after a look at how many accounts would be deleted.",
        ],
    )


@rule("scope-dn-typo", "Is every selected DN spelt as in Active Directory?", explains=OUTSIDE)
def dn_typo(
    schema: SyncSchema,
    place: Placement,
    containers: Containers,
    account: AdAccount | Missing,
    cloud: CloudAccount | Missing,
    recycled: RecycleBin | Missing,
) -> Finding | None:
    dn, seen, scope = placed(schema, place, account)
    if scope.answer is not Answer.OUT or scope.gate is not Gate.CONTAINER:
        return None
    former = former_accounts(cloud, recycled, seen)
    never = [each for each in lost(schema, containers) if not each.is_group and not each.worked(former)]
    close = next((each for each in never if replaces(each, dn, former, seen)), None)
    hit = close or (never[0] if never and _all_lost(schema, tuple(never)) else None)
    if hit is None:
        return None
    return (proven if close and not former else likely)(
        f"The configuration names {hit.dn}, which does not exist in Active Directory, so nobody is found there.",
        because=[
            hit.record.saying(f"{hit.dn} does not exist and was not renamed"),
            schema.record.saying(f"selected is {hit.dn}"),
            from_place(place, account),
        ],
        fix=[
            f"Correct {hit.dn} in the scope of the configuration; the account lies in {dn.partition(',')[2]}.",
            "Press Test beside the name, save, and restart provisioning.",
        ],
    )


@rule("scope-pod-misleading", "Does a successful run-now agree with the scope?", kind=Kind.NOTE)
def pod_misleading(schema: SyncSchema, tries: Attempts, account: AdAccount | Missing) -> Finding | None:
    good = next((each for each in tries.attempts if each.succeeded), None)
    if good is None:
        return None
    seen = ad_object(account)
    dn = seen.dn if seen else good.dn
    if place_of(schema, dn, seen).answer is not Answer.OUT:
        return None
    return proven(
        f"The run-now of {utc(good.at)} succeeded because it ignores the scope; the scheduled sync does not.",
        because=[
            good.record.saying("provision on demand succeeded"),
            schema.record.saying(f"{dn} is outside the selection: {selection(schema)}"),
        ],
        fix=["Do not take a green run-now for proof of scope; a later cycle can remove an account made this way."],
    )


PLACES: tuple[Rule, ...] = (
    domain_not_configured,
    ou_not_selected,
    container_renamed,
    dn_typo,
    *GROUPS,
    pod_misleading,
)
