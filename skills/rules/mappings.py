"""Attributes, continued: refusals that the log names by a code, and mappings that do not carry a value."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.comparison import PAIRS, Difference, differences
from skills.facts.directory import CloudAccount
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts, LogRow, RecentRows, SubjectRows
from skills.facts.schema import ObjectMapping, SyncSchema
from skills.facts.subject import AdAccount
from skills.facts.tenant import AuditEntry, ConfigurationChanges, Domains, Now
from skills.rules.chain import QUARANTINE_EFFECTS, concerned
from skills.rules.cured import INVALID_DOMAIN, REQUIRED, SKIPPED_IMPORT, cured, named_attributes, speaks_of
from skills.rules.standing import (
    NOT_ASKED,
    ad_object,
    failing,
    is_redundant,
    newest_first,
    spoken,
    standing,
    synced_user,
    utc,
)

SETTLED = timedelta(minutes=30)
FULL_SCHEMA = 12
"""A schema with fewer mappings than this is hardly the whole of one: a value that it does not carry may be meant so."""

TOO_LARGE = ("exceededallowedlength", "largeobject", "exceeds the allowed length")
NO_TARGET = ("schemaattributenotfound",)
ONE_VALUE = ("schemapropertycanonlyacceptvalue", "canonlyacceptvalue")
EXTENSION_APP = ("customextensionsapp", "extension app", "extensionsapp", "tenant schema extension")
_FUNCTION = re.compile(
    r"\b(iif|switch|join|mid|left|right|replace|append|tolower|toupper|trim|split|formatdatetime|instr|coalesce|"
    r"normalizediacritics|selectuniquevalue|isnullorempty|word|item|bitand|cdate)\b"
)
_ELSEWHERE = (*REQUIRED, *SKIPPED_IMPORT, *INVALID_DOMAIN, *TOO_LARGE, *NO_TARGET, *ONE_VALUE)


@dataclass(frozen=True)
class Refusal:
    """A failure that one code, or the step and the words of the message, tells completely."""

    id: str
    question: str
    fits: Callable[[LogRow], bool]
    says: str
    """With `{what}` for the attributes that the message names."""
    fix: tuple[str, ...]
    explains: frozenset[str] = frozenset()


def _code(words: tuple[str, ...]) -> Callable[[LogRow], bool]:
    return lambda row: speaks_of(row, words)


def _is_expression(row: LogRow) -> bool:
    step = row.failed_step
    if speaks_of(row, _ELSEWHERE) or step is None or step.type not in ("processing", "export", "scoping"):
        return False
    names_function = step.type == "processing" and _FUNCTION.search(row.says())
    return speaks_of(row, ("expression", "function")) or bool(names_function)


REFUSALS = (
    Refusal(
        "attr-required-missing",
        "Does the account hold every value that the cloud requires?",
        _code(REQUIRED),
        "A required value is missing in Active Directory: {what}.",
        ("Fill in {what} in Active Directory, or give the mapping a default value.",),
    ),
    Refusal(
        "attr-import-skipped",
        "Could the account be read with the value that accounts are matched by?",
        _code(SKIPPED_IMPORT),
        "The account is skipped at import because the attribute that accounts are matched by is empty: {what}.",
        ("Fill in {what} in Active Directory. The skip says nothing about the scope.",),
    ),
    Refusal(
        "attr-invalid-domain",
        "Are all domains in the account's values permitted?",
        _code(INVALID_DOMAIN),
        "A value of the account contains a domain that the tenant does not permit: {what}.",
        ("Verify that domain in the tenant, or change {what} in Active Directory.",),
    ),
    Refusal(
        "attr-too-large",
        "Do all values fit?",
        _code(TOO_LARGE),
        "A value of the account is too large or has too many entries: {what}.",
        ("Shorten {what} in Active Directory, for instance by removing expired certificates or old addresses.",),
    ),
    Refusal(
        "attr-extension-app-missing",
        "Does the application that holds the extension attributes exist?",
        _code(EXTENSION_APP),
        "The application that holds the extension attribute is missing or has no service principal: {what}.",
        ("Create the CloudSyncCustomExtensionsApp with its service principal and the extension, then map it again.",),
        frozenset({"attr-target-not-found", "attr-expression-error"}),
    ),
    Refusal(
        "attr-target-not-found",
        "Does every mapped target attribute exist?",
        _code(NO_TARGET),
        "A mapping writes to an attribute that does not exist in the cloud: {what}.",
        ("Remove or correct the mapping of {what}, or restore the default mappings.",),
    ),
    Refusal(
        "attr-multi-to-single",
        "Does every single-valued target get one value?",
        _code(ONE_VALUE),
        "Several values are mapped to an attribute that takes only one: {what}.",
        ("Pick one value by an expression in the mapping of {what}.",),
    ),
    Refusal(
        "attr-expression-error",
        "Do the mapping expressions work on the account's values?",
        _is_expression,
        "A mapping expression fails on this account's values: {what}.",
        ("Test the expression with this account's values in the expression builder.", "Guard it against empty values."),
        frozenset({"cloud-unprocessable"}),
    ),
)  # fmt: skip


def _rules(each: Refusal) -> tuple[Rule, Rule]:
    """One rule on the log; and one on run-now results alone, for where the log cannot be read."""

    @rule(each.id, each.question, explains=each.explains)
    def in_log(
        rows: SubjectRows,
        tries: Attempts | Missing,
        account: AdAccount | Missing,
        domains: Domains | Missing,
        recent: RecentRows | Missing,
    ) -> Finding | None:
        return _refused(each, standing(rows, tries), account, domains, recent)

    @rule(each.id, each.question, explains=each.explains)
    def in_run_now(
        tries: Attempts, rows: SubjectRows | Missing, account: AdAccount | Missing, domains: Domains | Missing
    ) -> Finding | None:
        if not isinstance(rows, Missing):
            return None
        return _refused(each, standing(rows, tries), account, domains, rows)

    return in_log, in_run_now


def _refused(
    each: Refusal,
    row: LogRow | None,
    account: AdAccount | Missing,
    domains: Domains | Missing,
    recent: RecentRows | Missing,
) -> Finding | None:
    if row is None or not each.fits(row) or cured(row, ad_object(account), domains):
        return None
    what = ", ".join(named_attributes(row)) or "see the message"
    hit = set() if isinstance(recent, Missing) or not row.code else recent.hit_by(row.code)
    return proven(
        each.says.replace("{what}", what),
        because=[spoken(row)],
        fix=[step.replace("{what}", what if what != "see the message" else "the value") for step in each.fix],
        action="provision_on_demand",
        since=row.at,
        users=len(hit) if len(hit) > 1 else None,
    )


@rule(
    "attr-schema-invalid",
    "Is the job's schema valid?",
    explains=QUARANTINE_EFFECTS | {"attr-edited-via-enterprise-app", "attr-expression-error", "attr-target-not-found"},
)
def schema_invalid(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = next(
        (job for job in concerned(jobs, own) if _says_schema_invalid(job.error_codes + job.error_messages)), None
    )
    if job is None:
        return None
    return proven(
        f"The mappings of {job.configuration} are broken, so the job cannot run at all.",
        because=[job.record.saying(f"the job fails with {'; '.join(job.error_codes)}")],
        fix=[
            "Find the last change of the mappings in the audit log and take it back.",
            "Else keep a copy of the schema, restore the default mappings and add your own ones again.",
        ],
    )


def _says_schema_invalid(texts: tuple[str, ...]) -> bool:
    return any("schemainvalid" in each.lower().replace(" ", "") for each in texts)


@rule("attr-edited-via-enterprise-app", "Are mappings edited only where Cloud Sync expects it?")
def edited_elsewhere(
    changes: ConfigurationChanges, jobs: Jobs, own: SubjectJob | Missing, now: Now, rows: SubjectRows | Missing
) -> Finding | None:
    edit = next((each for each in changes.entries if _through_enterprise_app(each)), None)
    row = failing(rows, NOT_ASKED)
    sick = [job for job in concerned(jobs, own) if not job.healthy(now.at)]
    if edit is None or not (sick or (row and row.at and edit.at and row.at > edit.at)):
        return None
    shown = [spoken(row)] if row else [sick[0].record.saying("the job does not run well since")]
    return likely(
        f"The mappings were edited in Enterprise applications on {utc(edit.at)}, which Cloud Sync does not support.",
        because=[edit.record.saying(f"{edit.activity} by {edit.actor or 'somebody'}"), *shown],
        fix=["Restore the default mappings in the Cloud Sync page and make the changes there."],
        since=edit.at,
    )


def _through_enterprise_app(entry: AuditEntry) -> bool:
    if not any(word in entry.activity.lower() for word in ("mapping", "schema", "provisioning")):
        return False
    values = [value for _, old, new in entry.changes for value in (old, new)] + [value for _, value in entry.details]
    told = " ".join(filter(None, (entry.activity, entry.actor, entry.target, *values))).lower()
    return "enterprise app" in told or "enterpriseapp" in told or "managed applications" in told


def _differing(account: AdAccount, cloud: CloudAccount, now: Now) -> tuple[Difference, ...]:
    """Plain values that differ although the object has not been changed for a while."""
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or user is None or seen.changed is None or now.at - seen.changed < SETTLED:
        return ()
    return tuple(each for each in differences(seen, user) if each.property in PAIRS)


def _carries(mapping: ObjectMapping, difference: Difference) -> bool:
    targets = PAIRS[difference.property][1]
    return any(each.target.lower() in targets for each in mapping.mappings)


@rule("attr-null-not-flowed", "Do cleared values disappear in the cloud?", explains={"obj-already-in-sync"})
def null_not_flowed(
    account: AdAccount, cloud: CloudAccount, schema: SyncSchema, now: Now, rows: SubjectRows | Missing
) -> Finding | None:
    seen, user = ad_object(account), synced_user(cloud)
    mapping = schema.mapping_for(seen.kind) if seen else None
    cleared = [each for each in _differing(account, cloud, now) if not each.ad and each.cloud]
    hit = next(
        (each for each in cleared if seen and _in_bag(seen.attributes, each) and mapping and _carries(mapping, each)),
        None,
    )
    if hit is None or user is None or failing(rows, NOT_ASKED):
        return None
    row = next(iter(newest_first(rows, NOT_ASKED)), None)
    redundant = [row.record.saying("the last run had nothing to change")] if row and is_redundant(row) else []
    return (proven if redundant else likely)(
        f"{hit.attribute} was cleared in Active Directory, and clearing a value does not clear it in the cloud.",
        because=[
            account.record.saying(f"{hit.attribute} is empty"),
            user.record.saying(f"{hit.property} is still {hit.cloud}"),
            *redundant,
        ],
        fix=[f"Let the mapping of {hit.property} carry empty values, or set a value of its own in Active Directory."],
    )


def _in_bag(bag: object, difference: Difference) -> bool:
    return isinstance(bag, dict) and any(key.lower() == difference.attribute.lower() for key in bag)


@rule("attr-not-mapped", "Is there a mapping for every value that differs?", explains={"obj-already-in-sync"})
def not_mapped(
    account: AdAccount, cloud: CloudAccount, schema: SyncSchema, now: Now, rows: SubjectRows | Missing
) -> Finding | None:
    seen, user = ad_object(account), synced_user(cloud)
    mapping = schema.mapping_for(seen.kind) if seen else None
    if mapping is None or user is None or failing(rows, NOT_ASKED):
        return None
    hits = [each for each in _differing(account, cloud, now) if each.ad and not _carries(mapping, each)]
    hit = next((each for each in hits if each.cloud or len(mapping.mappings) >= FULL_SCHEMA), None)
    if hit is None:
        return None
    return proven(
        f"No mapping carries {hit.attribute}, so the cloud keeps {hit.cloud or 'nothing'} instead of {hit.ad}.",
        because=[
            schema.record.saying(f"no mapping writes {hit.property}"),
            account.record.saying(f"{hit.attribute} is {hit.ad}"),
            user.record.saying(f"{hit.property} is {hit.cloud or 'empty'}"),
        ],
        fix=[f"Add a mapping from {hit.attribute} to {hit.property} in the configuration, then restart provisioning."],
    )


MAPPINGS: tuple[Rule, ...] = (
    schema_invalid,
    *(each for refusal in REFUSALS for each in _rules(refusal)),
    edited_elsewhere,
    null_not_flowed,
    not_mapped,
)
