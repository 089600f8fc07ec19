"""What can be seen at all: closed sources, licences, and looking in the wrong place. None of it stops a sync."""

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Gap, Gaps, Missing
from skills.facts.directory import CloudAccount
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import SubjectRows
from skills.facts.subject import Identity
from skills.facts.tenant import Now, Organization
from skills.rules.sides import NOT_ASKED
from skills.rules.standing import failing, synced_user, utc

LOG_PATHS = ("auditlogs/provisioning",)


def _is_log(gap: Gap) -> bool:
    return any(path in gap.record.name.lower() for path in LOG_PATHS)


@rule("lic-logs-missing", "Can the provisioning log be read under the tenant's licence?", kind=Kind.NOTE)
def logs_unlicensed(gaps: Gaps, organization: Organization | Missing) -> Finding | None:
    gap = next((each for each in gaps.gaps if _is_log(each) and each.error in ("Unlicensed", "Forbidden")), None)
    plain = not isinstance(organization, Missing) and organization.premium is False
    if gap is None or not (gap.error == "Unlicensed" or plain):
        return None
    told = [organization.record.saying("no P1 or P2 plan is assigned")] if not isinstance(organization, Missing) else []
    return (proven if gap.error == "Unlicensed" else likely)(
        "The provisioning log cannot be read under the tenant's licence: events may well exist.",
        because=[gap.record.saying(gap.reason), *(told if plain else [])],
        fix=["Assign Entra ID P1 or P2, or send the logs to Azure Monitor and look there."],
    )


@rule("lic-logs-missing", "Would the provisioning log show work that the job did?", kind=Kind.NOTE)
def logs_empty(rows: SubjectRows, organization: Organization) -> Finding | None:
    if rows.rows or organization.premium is not False:
        return None
    return likely(
        "The log shows nothing of this account, but without P1 or P2 it goes back 7 days only.",
        because=[organization.record.saying("no P1 or P2 plan is assigned"), rows.record.saying("no row was found")],
        fix=["Read it as “cannot see”, not as “nothing happened”."],
    )


@rule("tool-missing-permission", "May WhySync read everything it asks for?", kind=Kind.NOTE)
def missing_permission(gaps: Gaps) -> Finding | None:
    closed = [each for each in gaps.gaps if each.error == "Forbidden"]
    if not closed:
        return None
    names = ", ".join(dict.fromkeys(each.source.removeprefix("graph:") for each in closed))
    return proven(
        f"WhySync may not read everything it asks for; closed to it: {names}.",
        because=[each.record.saying(each.reason) for each in closed[:3]],
        fix=["Consent to the permission that is named, or leave it: what cannot be read is then not judged."],
    )


@rule("lic-user-unlicensed", "Does the synced account have a licence?", kind=Kind.NOTE)
def user_unlicensed(cloud: CloudAccount, rows: SubjectRows | Missing) -> Finding | None:
    user = synced_user(cloud)
    if user is None or user.licensed is not False or user.enabled is False or failing(rows, NOT_ASKED):
        return None
    place = "" if user.usage_location else ", nor a usage location"
    return proven(
        f"{user.upn} is synced, but has no licence{place}, so there is no mailbox and no app for it.",
        because=[user.record.saying(f"no assigned licences{place}; last synced {utc(user.last_sync)}")],
        fix=["Set a usage location and assign a licence, best by a group."],
    )


@rule("other-job-name-confusion", "Is there only one configuration to look at?", kind=Kind.NOTE)
def wrong_configuration(jobs: Jobs, own: SubjectJob, now: Now) -> Finding | None:
    job = own.job
    sick = [each for each in jobs.provisioning if job and each.id != job.id and each.quarantined]
    if job is None or not sick or not job.healthy(now.at):
        return None
    return likely(
        f"The trouble of {sick[0].configuration} does not touch this account: {job.configuration} carries it.",
        because=[
            sick[0].record.saying(f"{sick[0].configuration} is in quarantine"),
            job.record.saying(f"{job.configuration} is well and is for {own.domain or job.domain}"),
        ],
        fix=[f"Look at the configuration {job.configuration} for this account."],
    )


@rule("tool-ambiguous-name", "Does the name mean one person only?", kind=Kind.NOTE)
def ambiguous_name(who: Identity) -> Finding | None:
    found = who.subject.candidates
    if len(found) < 2:
        return None
    return proven(
        f"“{who.subject.asked}” could be any of {len(found)} people.",
        because=[who.record.saying("; ".join(f"{each.label} ({each.detail})" for each in found[:4]))],
        fix=["Ask again with the user principal name or the distinguished name."],
    )


VISIBILITY: tuple[Rule, ...] = (
    logs_unlicensed, logs_empty, missing_permission, user_unlicensed, wrong_configuration, ambiguous_name,
)  # fmt: skip
