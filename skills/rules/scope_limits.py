"""Scope, continued: filters on attribute values, scopes that were changed and not applied, and scopes too large."""

from datetime import timedelta

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing, Record
from skills.clauses import is_filterable
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, RecycleBin
from skills.facts.jobs import SubjectJob, SyncJob
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Access, Containers, Directory
from skills.facts.subject import AdAccount, Identity, Placement, SubjectKind
from skills.facts.tenant import AuditEntry, ConfigurationChanges, Now
from skills.rules.leaving import former_accounts
from skills.rules.placing import OUTSIDE, selection
from skills.rules.standing import ad_object, newest_first, place_dn, refused_by_scope, synced_user, utc
from skills.scoping import Answer, Membership, filter_of, membership, place_of, same_dn, scope_of

CONTAINER_LIMIT = 50
"""More separate containers and groups than this are not supported; older texts say 59 (PR)."""
FILTER_BYTES = 4 * 1024 * 1024
MEMBER_LIMIT = 50_000
OBJECT_LIMIT = 150_000
SETTLED = timedelta(minutes=30)
"""After this time a change that works has shown itself, the log's own delay included."""


@rule("scope-attribute-filter", "Did the scoping step of the last run let the account through?", explains=OUTSIDE)
def attribute_filter(
    rows: SubjectRows,
    tries: Attempts | Missing,
    schema: SyncSchema | Missing,
    account: AdAccount | Missing,
    place: Placement | Missing,
) -> Finding | None:
    row = next(iter(newest_first(rows, tries)), None)
    seen = ad_object(account)
    if row is None or not refused_by_scope(row) or _place_refuses(schema, place, seen):
        return None
    clause, blames_clause = _clause(schema, seen)
    if not blames_clause or _passes_since(schema, seen, row):
        return None
    filtered = not isinstance(schema, Missing) and any(each.clause_groups for each in schema.objects)
    told = "; ".join(
        f"{key}: {value}" for step in row.steps if step.type == "scoping" for key, value in step.details.items()
    )
    records = [row.record.saying(f"the scoping step left the account out; {told}".rstrip("; "))]
    if clause and not isinstance(schema, Missing):
        records.append(schema.record.saying(f"the filter demands “{clause}”"))
    return (proven if filtered else likely)(
        f"The attribute filter leaves the account out{f': it demands “{clause}”' if clause else ''}.",
        because=records,
        fix=_filter_fix(clause),
        since=row.at,
    )


def _place_refuses(schema: SyncSchema | Missing, place: Placement | Missing, seen: AdObject | None) -> bool:
    if isinstance(schema, Missing) or isinstance(place, Missing):
        return False
    return place_of(schema, seen.dn if seen else place.dn, seen).answer is Answer.OUT


def _clause(schema: SyncSchema | Missing, seen: AdObject | None) -> tuple[str | None, bool]:
    """The clause that decides, if it can be told, and whether another value of its attribute could satisfy it."""
    if isinstance(schema, Missing):
        return None, True
    scope = filter_of(schema, seen)
    return scope.by, scope.clause is None or is_filterable(scope.clause)


def _passes_since(schema: SyncSchema | Missing, seen: AdObject | None, row: LogRow) -> bool:
    """The value was put right after that run."""
    if isinstance(schema, Missing) or seen is None or seen.changed is None or row.at is None:
        return False
    return seen.changed > row.at and filter_of(schema, seen).answer is Answer.IN


def _filter_fix(clause: str | None) -> list[str]:
    return [
        f"Give the account a value in Active Directory that satisfies {f'“{clause}”' if clause else 'the filter'}, "
        "or change the filter in the configuration.",
        "After a change of the filter, restart provisioning.",
    ]


@rule("scope-attribute-filter", "Do the account's values satisfy the attribute filter?", explains=OUTSIDE)
def attribute_filter_computed(
    schema: SyncSchema, place: Placement, account: AdAccount, cloud: CloudAccount | Missing
) -> Finding | None:
    seen = ad_object(account)
    scope = filter_of(schema, seen)
    if seen is None or scope.answer is not Answer.OUT or scope.clause is None or not is_filterable(scope.clause):
        return None
    if place_of(schema, place_dn(place, account), seen).answer is Answer.OUT or _current(cloud, seen):
        return None
    value = seen.attribute(scope.clause.attribute) or "empty"
    return proven(
        f"The attribute filter of the configuration leaves the account out: it demands “{scope.clause}”.",
        because=[
            account.record.saying(f"{scope.clause.attribute} is {value}"),
            schema.record.saying(f"the filter demands “{scope.clause}”"),
        ],
        fix=_filter_fix(str(scope.clause)),
    )


def _current(cloud: CloudAccount | Missing, seen: AdObject) -> bool:
    """Synced since its last change, so no filter holds it back."""
    user = synced_user(cloud)
    return bool(user and user.last_sync and seen.changed and user.last_sync > seen.changed)


@rule(
    "scope-unsupported-filter-attribute",
    "Can every attribute of the filter be filtered on?",
    explains=OUTSIDE | {"scope-attribute-filter"},
)
def unsupported_filter(
    schema: SyncSchema, place: Placement, account: AdAccount | Missing, cloud: CloudAccount | Missing
) -> Finding | None:
    seen = ad_object(account)
    scope = filter_of(schema, seen)
    if scope.answer is not Answer.OUT or scope.clause is None or is_filterable(scope.clause):
        return None
    refused = place_of(schema, place_dn(place, account), seen).answer is Answer.OUT
    if refused or (seen and _current(cloud, seen)):
        return None
    return proven(
        f"The filter asks about {scope.clause.attribute}, which cannot be filtered on, so it lets nobody through.",
        because=[schema.record.saying(f"the filter demands “{scope.clause}”")],
        fix=[f"Replace “{scope.clause}” by a filter on a single-valued text attribute, then restart provisioning."],
    )


@rule("scope-change-not-restarted", "Was provisioning restarted after the scope was last changed?", explains=OUTSIDE)
def change_not_restarted(
    schema: SyncSchema,
    account: AdAccount,
    own: SubjectJob,
    changes: ConfigurationChanges,
    rows: SubjectRows,
    cloud: CloudAccount,
    now: Now,
    access: Access | Missing,
    looks: Directory | Missing,
    recycled: RecycleBin | Missing,
) -> Finding | None:
    seen, job = ad_object(account), own.job
    if _agent_cannot_see(access, looks) or former_accounts(cloud, recycled, seen):
        return None
    if seen is None or seen.changed is None or job is None or synced_user(cloud) or not job.healthy(now.at):
        return None
    edit = _unapplied_edit(changes, job)
    if edit is None or edit.at is None or seen.changed > edit.at or now.at - edit.at < SETTLED:
        return None
    if edit.changes and not _adds_place(edit, seen, schema):
        return None
    if scope_of(schema, seen.dn, seen).answer is not Answer.IN or any(row.at and row.at > edit.at for row in rows.rows):
        return None
    return (proven if edit.changes else likely)(
        f"The scope was changed on {utc(edit.at)} and provisioning was not restarted, so older accounts were not read.",
        because=[
            edit.record.saying(f"{edit.activity} by {edit.actor or 'somebody'}, and no restart since"),
            account.record.saying(f"the account is in scope and was last changed {utc(seen.changed)}, before that"),
            rows.record.saying("the log tells nothing of the account since"),
        ],
        fix=[
            "Restart provisioning, after a look at the delete threshold and at how many accounts would leave the scope."
        ],
        action="restart_job",
        since=edit.at,
    )


def _unapplied_edit(changes: ConfigurationChanges, job: SyncJob) -> AuditEntry | None:
    """The newest change of scope or mapping that neither a restart nor a finished full cycle followed."""
    edits = [each for each in changes.about("scope", "mapping", "schema") if "restart" not in each.activity.lower()]
    edit = next((each for each in edits if each.at and _of(each, job)), None)
    if edit is None or edit.at is None or (job.steady_first and job.steady_first > edit.at):
        return None
    starts = changes.about("restart", "enable", "start provisioning", "start synchronization")
    return None if any(each.at and each.at > edit.at for each in starts) else edit


def _of(entry: AuditEntry, job: SyncJob) -> bool:
    names = {job.principal_id, job.configuration.lower(), (job.domain or "").lower(), job.id.lower()}
    told = [each for each in (entry.target_id, entry.target and entry.target.lower()) if each]
    return not told or any(each in names for each in told)


def _agent_cannot_see(access: Access | Missing, looks: Directory | Missing) -> bool:
    """The account is not read because the agent's own identity may not read it: no restart would help."""
    if not isinstance(access, Missing) and any(each.value.gmsa_can_read is False for each in access.seen):
        return True
    as_agent = (
        []
        if isinstance(looks, Missing)
        else [look for each in looks.seen for look in each.value if (look.identity or "").lower() == "gmsa"]
    )
    return bool(as_agent) and not any(look.objects for look in as_agent)


def _adds_place(edit: AuditEntry, seen: AdObject, schema: SyncSchema) -> bool:
    """Whether what lets the account in stands in a new value and stood in none of the old ones."""
    by = [scope.by.lower() for scope in (place_of(schema, seen.dn, seen), filter_of(schema, seen)) if scope.by]
    return any(
        name in (new or "").lower() and name not in (old or "").lower() for name in by for _, old, new in edit.changes
    )


@rule("scope-too-many-containers", "Is the number of selected containers and groups supported?")
def too_many_containers(
    schema: SyncSchema, place: Placement, rows: SubjectRows, cloud: CloudAccount, account: AdAccount | Missing
) -> Finding | None:
    names = schema.containers + schema.groups
    if len(names) <= CONTAINER_LIMIT and sum(len(name) for name in names) < FILTER_BYTES:
        return None
    inside = place_of(schema, place_dn(place, account), ad_object(account)).answer is Answer.IN
    if not inside or synced_user(cloud) or rows.rows:
        return None
    return likely(
        f"The configuration selects {len(names)} containers and groups, more than work, and some are ignored.",
        because=[
            schema.record.saying(f"{len(names)} containers and groups are selected"),
            rows.record.saying("no run has touched the account"),
        ],
        fix=["Select parent containers instead (everything below them counts), then save and restart provisioning."],
    )


@rule("scope-group-over-50k", "Are the groups of the scope small enough?")
def group_too_large(
    who: Identity,
    schema: SyncSchema,
    containers: Containers,
    account: AdAccount | Missing,
    cloud: CloudAccount | Missing,
) -> Finding | None:
    seen = ad_object(account)
    if seen is None or (who.subject.kind is not SubjectKind.GROUP and synced_user(cloud)):
        return None
    own = {group for group in schema.groups if membership(group, seen.dn, seen) is Membership.DIRECT}
    hit = next(
        (each for each in _sizes(containers) if each[1] > MEMBER_LIMIT and _among(each[0], own | {seen.dn})), None
    )
    if hit is None or place_of(schema, seen.dn, seen).answer is Answer.OUT:
        return None
    return (proven if who.subject.kind is SubjectKind.GROUP or not schema.containers else likely)(
        f"The group {hit[0]} has {hit[1]:,} members; beyond {MEMBER_LIMIT:,} its changes are not followed.",
        because=[
            hit[2].saying(f"{hit[0]} has {hit[1]:,} members"),
            schema.record.saying(f"selected: {selection(schema)}"),
        ],
        fix=[
            "Choose the scope by container, or split the group.",
            "Bring the provisioning agent to its newest version.",
        ],
    )


def _sizes(containers: Containers) -> list[tuple[str, int, Record]]:
    return [(each.dn, each.objects or 0, seen.record) for seen in containers.seen for each in seen.value]


def _among(dn: str, names: set[str]) -> bool:
    return any(same_dn(dn, name) for name in names)


@rule("scope-job-150k", "Is the domain small enough for Cloud Sync?", explains={"sched-initial-cycle"})
def too_many_objects(own: SubjectJob, now: Now, containers: Containers | Missing) -> Finding | None:
    job = own.job
    if job is None:
        return None
    counts = _object_counts(job, containers)
    number, because = max(counts, key=lambda each: each[0], default=(0, None))
    if number <= OBJECT_LIMIT or because is None or (job.steady_first and job.healthy(now.at)):
        return None
    return (proven if job.steady_first is None else likely)(
        f"The configuration holds {number:,} objects; beyond {OBJECT_LIMIT:,} its cycles do not come to an end.",
        because=[because, job.record.saying(f"the last good cycle ended at {utc(job.last_good_at)}")],
        fix=["Narrow the scope or split the domain over several tools; Entra Connect Sync has no such limit."],
    )


def _object_counts(job: SyncJob, containers: Containers | Missing) -> list[tuple[int, Because]]:
    known = [sum(count for _, count in job.entries), job.progress_total or 0]
    found = [(number, job.record.saying(f"{number:,} objects")) for number in known]
    if not isinstance(containers, Missing):
        total = sum(each[1] for each in _sizes(containers)) // max(1, len(containers.seen))
        found.append((total, containers.record.saying(f"{total:,} objects lie in the selected containers")))
    return found


LIMITS: tuple[Rule, ...] = (
    attribute_filter, attribute_filter_computed, unsupported_filter, change_not_restarted, too_many_containers,
    group_too_large, too_many_objects,
)  # fmt: skip
