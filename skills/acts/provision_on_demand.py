"""Run one person now. It is a write, it ignores the scope, and it must not meet a deleted twin: all looked at first."""

from bot.acts import Action, Called, GraphWriter, Pace, Plan, Refused, Thing
from bot.answering import Ask
from bot.evidence import SourceError
from bot.graph_errors import BadRequest, NotFound, OutcomeUnknown
from bot.identifiers import InvalidDn, parse_dn
from bot.reach import Reach
from bot.understanding import NobodyMeant
from skills.acts.on_demand_answer import Result, called_with, read_answer
from skills.acts.person_world import observe_person, person_world, verify_person
from skills.acts.request_body import NOT_SENT, RUN_NOW, NotSendable, outgoing, send
from skills.acts.settled import deleted_twins, settled_person
from skills.acts.which_job import called_job, tenant_of
from skills.collectors.configuration import job_of, sync_schema
from skills.collectors.subject import placement
from skills.facts.directory import CloudUser
from skills.facts.jobs import SyncJob
from skills.facts.schema import SyncSchema
from skills.facts.subject import Subject
from skills.phrases.acts import RUN_NOW as RUN_NOW_WORDS
from skills.scoping import Answer, Scope, scope_of

PACE = Pace(5, 10.0)
"""As the service counts (graph.md 3.1)."""


async def plan(ask: Ask, reach: Reach) -> Plan | Refused:
    try:
        subject = await settled_person(ask, reach)
        return subject if isinstance(subject, Refused) else await _planned(subject, reach)
    except NobodyMeant:
        raise
    except NotSendable:
        return Refused("The distinguished name or the rule has a form that cannot be sent.")
    except SourceError as error:
        return Refused(f"What a run rests on could not be read: {error.reason}")


async def _planned(subject: Subject, reach: Reach) -> Plan | Refused:
    dn = (await placement.ask(subject, reach)).dn
    carrier = await job_of(subject, reach)
    if carrier.job is None:
        return Refused(f"No configuration is for the domain {carrier.domain}.")
    schema = await sync_schema.ask(subject, reach)
    refusal = _no_rule(schema, carrier.job) or _no_name(dn) or _gone(subject)
    if refusal:
        return refusal
    twins = await deleted_twins(subject, reach)
    if twins:
        return _twin(subject, twins)
    planned = await _plan_for(subject, dn, carrier.job, schema, reach)
    scope = scope_of(schema, dn, subject.ad)
    return _out_of_scope(subject, scope, planned) if scope.answer is Answer.OUT else planned


def _no_rule(schema: SyncSchema, job: SyncJob) -> Refused | None:
    mapping = schema.mapping_for("user")
    if schema.rule_id is None or mapping is None:
        return Refused(f"{job.configuration} has no rule for users, so nobody can be run.")
    return None if mapping.enabled else Refused(f"{job.configuration} has users switched off in its mappings.")


def _no_name(dn: str) -> Refused | None:
    try:
        parse_dn(dn)
    except InvalidDn:
        return Refused(f"“{dn}” is not a distinguished name.", ("Ask with the name as Active Directory shows it.",))
    return None


def _gone(subject: Subject) -> Refused | None:
    if subject.ad and subject.ad.deleted:
        return Refused(f"{subject.label} is deleted in Active Directory; there is nothing to run.")
    return None


def _twin(subject: Subject, twins: tuple[CloudUser, ...]) -> Refused:
    return Refused(
        f"A deleted account of {subject.label} lies in the recycle bin. A run now is not supported then: it can make a "
        "second account instead of bringing that one back.",
        (
            f"restore {subject.upn or subject.label} from the recycle bin",
            f"Then wait for the next cycle, or run {subject.sam or subject.label} now.",
        )
        if len(twins) == 1
        else ("Delete for good what is not needed, and restore the one that is.",),
    )


def _out_of_scope(subject: Subject, scope: Scope, planned: Plan) -> Refused:
    warning = (
        f"Out of scope: {scope.says}. A run now ignores the scope: it would bring in an account that the schedule does "
        "not look after, and may delete again."
    )
    insisted = Plan(**{**vars(planned), "warnings": (warning, *planned.warnings)})
    says = f"{subject.label} is out of scope ({scope.says}), and a run now would not change that."
    return Refused(says, ("Put the account or the scope right first.",), insisted)


async def _plan_for(subject: Subject, dn: str, job: SyncJob, schema: SyncSchema, reach: Reach) -> Plan:
    thing = Thing(
        RUN_NOW,
        await tenant_of(reach),
        subject.object_guid or dn.lower(),
        job.principal_id,
        job.id,
        {"ruleId": schema.rule_id or "", "dn": dn, "anchor": subject.anchor or ""},
    )
    world = await person_world(thing, reach)
    thing = Thing(**{**vars(thing), "preconditions": world})
    return Plan(
        thing,
        f"Provision {subject.name or subject.label} now",
        f"{called_job(job)[:1].upper()}{called_job(job)[1:]} takes this one person at once, instead of with its cycle.",
        _effect(subject),
        outgoing(thing).shown,
        job.configuration,
        _warnings(subject, job, scope_of(schema, dn, subject.ad)),
        subject=subject.cloud.id if subject.cloud else subject.object_guid or dn,
    )


def _effect(subject: Subject) -> tuple[str, ...]:
    account = subject.cloud
    if account is None:
        return ("An account is made in Entra, or one that matches is taken over.",)
    if account.synced:
        return (f"{account.upn} in Entra gets the values of Active Directory.",)
    return (f"{account.upn} was not made by sync: it is taken over if it matches, else the run fails.",)


def _warnings(subject: Subject, job: SyncJob, scope: Scope) -> tuple[str, ...]:
    told = []
    if job.quarantined:
        told.append(f"{called_job(job)[:1].upper()}{called_job(job)[1:]} is in quarantine; the run may fail alike.")
    if job.paused:
        told.append("The job is paused: later changes will not follow by themselves.")
    if scope.answer is Answer.UNKNOWN:
        told.append(f"Whether it is in scope cannot be told: {scope.says}. A run now ignores the scope.")
    if subject.ad is None:
        told.append("Active Directory could not be looked at: the name is the one that was last known.")
    if subject.ad and subject.ad.critical:
        told.append("It is a critical system object, which sync leaves out.")
    return tuple(told)


async def call(thing: Thing, writer: GraphWriter, attempt: str) -> Called:
    try:
        body = await send(RUN_NOW, thing, writer, attempt)
    except NotSendable:
        return Called(False, NOT_SENT)
    except (BadRequest, NotFound) as error:
        if error.unsent:
            raise
        said = {"error": {"code": error.code or "", "message": error.reason}}
        kept = {"dn": thing.params["dn"], "status": error.status or 400, "body": said}
        return Called(False, f"The run was refused: {error.reason}", error.request_id or "", evidence=kept)
    answer = read_answer(thing.params["dn"], body)
    if answer.result is Result.UNREADABLE:
        raise OutcomeUnknown("Microsoft Graph answered in a form that says neither success nor failure.")
    return called_with(answer, _who(thing))


def _who(thing: Thing) -> str:
    return parse_dn(thing.params["dn"]).rdns[0].pairs[0][1]


provision_on_demand = Action(
    RUN_NOW,
    (RUN_NOW_WORDS,),
    approvers=0,
    plan=plan,
    observe=observe_person,
    call=call,
    verify=verify_person,
    one_person=True,
    pace=PACE,
)
