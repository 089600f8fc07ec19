"""Attributes: a value of this person's that is missing, malformed, or not taken over as it stands."""

import re

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.attribute_values import proxy_fault, suffix_of, upn_fault
from skills.clauses import values_of
from skills.comparison import local_part
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, CloudUser
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.subject import AdAccount
from skills.facts.tenant import Domains
from skills.rules.cured import VALIDATION, cured, named_attributes, speaks_of
from skills.rules.standing import NOT_ASKED, ad_object, failing, newest_first, spoken, standing, synced_user

PERSONS = ("user", "inetorgperson")


@rule(
    "attr-upn-missing",
    "Does the account have a userPrincipalName?",
    explains={"attr-import-skipped", "attr-required-missing", "attr-upn-suffix-unverified"},
)
def upn_missing(
    account: AdAccount, cloud: CloudAccount | Missing, schema: SyncSchema | Missing
) -> Finding | Missing | None:
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or seen.upn or seen.kind not in PERSONS or not _needs_upn(schema):
        return None
    if "userprincipalname" in seen.unread:
        return Missing("the probe may not read the userPrincipalName")
    if user and not suffix_of(user.upn or "").endswith(".onmicrosoft.com"):
        return None
    return proven(
        f"{seen.sam or seen.dn} has no userPrincipalName in Active Directory, so there is no name to sign in with.",
        because=[
            account.record.saying("userPrincipalName is empty"),
            *([user.record.saying(f"the cloud made up {user.upn}")] if user else []),
        ],
        fix=["Set a userPrincipalName with a suffix that is verified in the tenant, then run the account once."],
        action="provision_on_demand",
    )


def _needs_upn(schema: SyncSchema | Missing) -> bool:
    """Unless the schema builds the UPN from something else."""
    mapping = None if isinstance(schema, Missing) else schema.mapping_for("user")
    sources = (
        [each.source or "" for each in mapping.mappings if each.target.lower() == "userprincipalname"]
        if mapping
        else []
    )
    return not sources or any("userprincipalname" in source.lower() for source in sources)


@rule("attr-upn-suffix-unverified", "Is the domain of the account's UPN verified in the tenant?")
def suffix_unverified(
    domains: Domains, cloud: CloudAccount, account: AdAccount | Missing, rows: SubjectRows | Missing
) -> Finding | None:
    user, seen = synced_user(cloud), ad_object(account)
    upn = (seen.upn if seen else None) or (user.onprem_upn if user else None)
    if user is None or not user.upn or not upn or domains.verified(suffix_of(upn)) or failing(rows, NOT_ASKED):
        return None
    if suffix_of(user.upn) != (domains.initial or "").lower() or local_part(user.upn) != local_part(upn):
        return None
    source = account.record if seen and not isinstance(account, Missing) else user.record
    return proven(
        f"{suffix_of(upn)} is not a verified domain of the tenant, so the account signs in as {user.upn} instead.",
        because=[
            source.saying(f"the userPrincipalName on premises is {upn}"),
            domains.record.saying(f"verified: {', '.join(each.name for each in domains.domains if each.verified)}"),
            user.record.saying(f"the cloud name is {user.upn}"),
        ],
        fix=[
            f"Verify {suffix_of(upn)} in the tenant, if it is a public domain of yours;",
            "else add a verified suffix to the forest and give the account a UPN with it.",
        ],
        action="provision_on_demand",
    )


@rule("attr-upn-invalid-chars", "Is the userPrincipalName well formed?")
def upn_invalid(
    account: AdAccount | Missing, rows: SubjectRows, tries: Attempts | Missing, domains: Domains | Missing
) -> Finding | None:
    row, seen = failing(rows, tries), ad_object(account)
    if row is None or not speaks_of(row, VALIDATION) or "userPrincipalName" not in named_attributes(row):
        return None
    if cured(row, seen, domains):
        return None
    fault = upn_fault(seen.upn) if seen and seen.upn else None
    seen_fault = (
        [account.record.saying(f"{seen.upn}: {fault}")] if fault and seen and not isinstance(account, Missing) else []
    )
    return proven(
        f"The cloud refuses the userPrincipalName{f' {seen.upn}, because {fault}' if fault and seen else ''}.",
        because=[spoken(row), *seen_fault],
        fix=["Correct the userPrincipalName in Active Directory: letters, digits and . - _ ' ! # ^ ~ before the @."],
        action="provision_on_demand",
        since=row.at,
    )


@rule("attr-upn-invalid-chars", "Would the cloud take the userPrincipalName?")
def upn_would_be_refused(account: AdAccount, cloud: CloudAccount) -> Finding | None:
    seen = ad_object(account)
    fault = upn_fault(seen.upn) if seen and seen.upn and seen.kind in PERSONS else None
    if fault is None or seen is None or synced_user(cloud):
        return None
    return likely(
        f"The userPrincipalName {seen.upn} is not one that the cloud takes: {fault}.",
        because=[account.record.saying(f"userPrincipalName is {seen.upn}")],
        fix=["Correct the userPrincipalName in Active Directory: letters, digits and . - _ ' ! # ^ ~ before the @."],
    )


@rule("attr-proxy-invalid", "Are all proxy addresses well formed?")
def proxy_invalid(
    account: AdAccount, cloud: CloudAccount | Missing, rows: SubjectRows | Missing, tries: Attempts | Missing
) -> Finding | None:
    seen = ad_object(account)
    bad = next(((each, fault) for each in seen.proxies if (fault := proxy_fault(each))), None) if seen else None
    row, user = failing(rows, tries), synced_user(cloud)
    if bad is None or seen is None:
        return None
    named = row if row and "proxyAddresses" in named_attributes(row) else None
    lacks = user is not None and not any(bad[0].lower().strip() == each.lower() for each in user.proxies)
    if row and not named:
        return None
    told = [spoken(named)] if named else [user.record.saying("the cloud account lacks it")] if user and lacks else []
    return (proven if told else likely)(
        f"The proxy address “{bad[0]}” is malformed ({bad[1]}), and the cloud does not take it.",
        because=[account.record.saying(f"proxyAddresses holds “{bad[0]}”"), *told],
        fix=[f"Correct or remove “{bad[0]}” in proxyAddresses; a mail address reads smtp:name@domain."],
        action="provision_on_demand",
    )


@rule("attr-proxy-sanitised", "Are the domains of all proxy addresses verified?")
def proxy_sanitised(
    account: AdAccount, cloud: CloudAccount, domains: Domains, rows: SubjectRows | Missing
) -> Finding | None:
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or user is None or user.licensed is False or failing(rows, NOT_ASKED):
        return None
    lost = next((each for each in seen.proxies if _is_sanitised(each, user, domains)), None)
    if lost is None:
        return None
    return (proven if user.licensed else likely)(
        f"{suffix_of(lost)} is not a verified domain, so the address {lost} is dropped in the cloud.",
        because=[
            account.record.saying(f"proxyAddresses holds {lost}"),
            domains.record.saying(f"{suffix_of(lost)} is not verified"),
            user.record.saying("the cloud account does not hold it"),
        ],
        fix=[f"Verify {suffix_of(lost)} in the tenant, or remove the address if nobody writes to it any more."],
    )


def _is_sanitised(value: str, user: CloudUser, domains: Domains) -> bool:
    if not value.lower().startswith("smtp:") or proxy_fault(value):
        return False
    return not domains.verified(suffix_of(value)) and value[5:].lower() not in user.addresses


@rule("attr-mailnickname-stale", "Did the alias follow the rename?")
def nickname_stale(account: AdAccount, cloud: CloudAccount, rows: SubjectRows | Missing) -> Finding | None:
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or user is None or not user.nickname or values_of(seen, "mailNickname") != ():
        return None
    current = {local_part(each) for each in (seen.upn, seen.mail, user.upn, user.mail) if each} | {
        (seen.sam or "").lower()
    }
    if user.nickname.lower() in current:
        return None
    renamed = next((row for row in newest_first(rows, NOT_ASKED) if _renamed_from(row, user.nickname)), None)
    return (proven if renamed else likely)(
        f"The alias is still {user.nickname}: it was made once from the old name, and Active Directory holds none.",
        because=[
            account.record.saying("mailNickname is empty"),
            user.record.saying(f"the alias in the cloud is {user.nickname}, the name {user.upn}"),
            *([renamed.record.saying("here the name was changed")] if renamed else []),
        ],
        fix=["Set mailNickname in Active Directory to the alias that is wanted, then run the account once."],
        action="provision_on_demand",
    )


def _renamed_from(row: LogRow, nickname: str) -> bool:
    return any(local_part(each.old or "") == nickname.lower() != local_part(each.new or "") for each in row.changes)


@rule("attr-manager-reference", "Could the manager be linked?")
def manager_reference(rows: SubjectRows, tries: Attempts | Missing, account: AdAccount | Missing) -> Finding | None:
    row = _unresolved(rows, tries, "manager")
    if row is None:
        return None
    seen = ad_object(account)
    manager = next(iter(values_of(seen, "manager") or ()), None) if seen else None
    told = [account.record.saying(f"manager is {manager}")] if manager and not isinstance(account, Missing) else []
    return proven(
        f"The manager{f' {manager}' if manager else ''} is not in the cloud, so the account has no manager there.",
        because=[row.record.saying("the step that links references left the manager open"), *told],
        fix=[
            "Bring the manager into scope; it must be in the same domain as the account.",
            "Restart provisioning afterwards, so that the link is tried again.",
        ],
        since=row.at,
    )


@rule("attr-member-reference", "Could every member be linked?")
def member_reference(rows: SubjectRows, tries: Attempts | Missing) -> Finding | None:
    row = _unresolved(rows, tries, "member")
    if row is None:
        return None
    return proven(
        "A member of the group is not in the cloud, so the membership could not be linked.",
        because=[row.record.saying("the step that links references left a member open")],
        fix=["Bring the missing member into sync first.", "Then change the group once, or restart provisioning."],
        since=row.at,
    )


def _unresolved(rows: SubjectRows, tries: Attempts | Missing, word: str) -> LogRow | None:
    """The newest row, if its linking of this kind of reference did not succeed."""
    row = next(iter(newest_first(rows, tries)), None)
    steps = (
        [step for step in row.steps if step.type == "referenceresolution" and step.status != "success"] if row else []
    )
    told = " ".join(f"{step.description} {step.details}" for step in steps).lower() + (row.says() if row else "")
    return row if steps and re.search(rf"\b{word}s?\b", told) else None


@rule("attr-special-char-join", "Is the value that accounts are matched by free of special characters?")
def special_character_join(
    rows: SubjectRows, tries: Attempts | Missing, account: AdAccount | Missing
) -> Finding | None:
    row, seen = standing(rows, tries), ad_object(account)
    step = row.failed_step if row else None
    if row is None or step is None or step.type != "matching" or speaks_of(row, ("duplicate", "unique", "softmatch")):
        return None
    value = _awkward(seen) if seen else None
    about_filter = speaks_of(row, ("filter", "special character", "query"))
    if not (value or about_filter):
        return None
    told = [account.record.saying(f"the value is {value}")] if value and not isinstance(account, Missing) else []
    return (proven if value and about_filter else likely)(
        f"Matching fails because the value {value or 'it matches by'} contains special characters.",
        because=[spoken(row), *told],
        fix=["Replace the special characters in that attribute in Active Directory, then run the account once."],
        action="provision_on_demand",
        since=row.at,
    )


def _awkward(seen: AdObject) -> str | None:
    values = (seen.upn, seen.mail, seen.sam, next(iter(values_of(seen, "employeeID") or ()), None))
    return next((value for value in values if value and re.search(r"['\"&#+%/\\()*<>;=\s]", value)), None)


ATTRIBUTES: tuple[Rule, ...] = (
    upn_missing, suffix_unverified, upn_invalid, upn_would_be_refused, proxy_invalid, proxy_sanitised, nickname_stale,
    manager_reference, member_reference, special_character_join,
)  # fmt: skip
