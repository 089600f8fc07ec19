"""Writing back to Active Directory: passwords, Exchange attributes and groups that the agent may or can not write."""

from collections.abc import Iterator

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import JobKind, Jobs, SyncJob
from skills.facts.log import LogRow, RecentRows, SubjectRows
from skills.facts.site import Access, AgentInstall, EventLog, Trace
from skills.facts.subject import AdAccount, Identity
from skills.rules.channel_state import told
from skills.rules.cured import speaks_of
from skills.rules.sides import NOT_ASKED
from skills.rules.standing import ad_object, failing, spoken

DENIED = ("insufficientaccessrights", "insuff_access_rights", "00002098")
PASSWORD_RIGHTS = ("password", "unexpire", "lockouttime", "pwdlastset")
EXCHANGE_BUILD = (1, 1, 1107, 0)
HIDDEN_NAME = "[hidden]@"
"""A probe tells no names in e-mail addresses: whom such a line is about, nobody here can know."""
GROUP_LIMIT, OBJECT_LIMIT = 50_000, 150_000


def _said(
    words: tuple[str, ...],
    rows: SubjectRows | Missing,
    log: EventLog | Missing,
    trace: Trace | Missing,
    who: Identity | Missing,
) -> tuple[Because, bool] | None:
    """Who said one of the words, and whether it was said of the subject: by its log row, or by name on the server."""
    row = failing(rows, NOT_ASKED)
    if row and speaks_of(row, words):
        return spoken(row), True
    heard = told(words, log, trace)
    if heard is None:
        return None
    names = () if isinstance(who, Missing) else (who.subject.sam, who.subject.upn, who.subject.dn, who.subject.name)
    own = any(name and name.lower() in heard.says.lower() for name in names)
    return None if HIDDEN_NAME in heard.says and not own else (heard, own)


PASSWORD_REFUSALS = (
    (
        "wb-not-enabled", "Is writing passwords back switched on for Cloud Sync?",
        ("sspr_0029", "password writeback is not enabled", "writeback is disabled"),
        "Passwords reset in the cloud are not written back, because that is not switched on for Cloud Sync.",
        ("Tick “Write back passwords with Microsoft Entra Cloud Sync” in the portal, or set it by "
         "Set-AADCloudSyncPasswordWritebackConfiguration.",),
        frozenset({"wb-insufficient-rights"}),
    ),
    (
        "wb-min-password-age", "Was the password old enough to be changed?",
        ("minimum password age", "min password age", "minimum age", "password too recent", "passwordtoorecent"),
        "Active Directory refuses the new password, because the last change is too recent for its policy.",
        ("Wait until the minimum password age has passed, or set it to 0 for a test.",),
        frozenset({"wb-password-policy"}),
    ),
    (
        "wb-password-policy", "Does the new password meet the policy of Active Directory?",
        ("passwordpolicy", "password policy", "complexity", "password history", "constraint violation"),
        "Active Directory refuses the new password, because it breaks the domain's password policy.",
        ("Choose another password: longer, more varied, and not one of the former ones.",),
        frozenset[str](),
    ),
)  # fmt: skip


def _password_rule(
    ident: str, question: str, words: tuple[str, ...], says: str, fix: tuple[str, ...], explains: frozenset[str]
) -> tuple[Rule, Rule]:
    def judge(
        rows: SubjectRows | Missing, log: EventLog | Missing, trace: Trace | Missing, who: Identity | Missing
    ) -> Finding | None:
        said = _said(words, rows, log, trace, who)
        if said is None:
            return None
        return (proven if said[1] else likely)(says, because=[said[0]], fix=fix)

    @rule(ident, question, explains=explains)
    def in_log(
        rows: SubjectRows, log: EventLog | Missing, trace: Trace | Missing, who: Identity | Missing
    ) -> Finding | None:
        return judge(rows, log, trace, who)

    @rule(ident, question, explains=explains)
    def on_server(log: EventLog, rows: SubjectRows | Missing, trace: Trace | Missing, who: Identity) -> Finding | None:
        return judge(NOT_ASKED, log, trace, who) if isinstance(rows, Missing) else None

    return in_log, on_server


def _denied(rows: SubjectRows, recent: RecentRows | Missing) -> tuple[LogRow, int] | None:
    """A row of the subject that Active Directory refused for lack of rights, and how many objects share that."""
    row = failing(rows, NOT_ASKED)
    if row is None or not speaks_of(row, DENIED):
        return None
    alike = () if isinstance(recent, Missing) else [each for each in recent.failures if speaks_of(each, DENIED)]
    return row, len({each.source_id or each.id for each in (row, *alike)})


@rule("wb-insufficient-rights", "May the agent write to Active Directory?")
def insufficient_rights(rows: SubjectRows, recent: RecentRows | Missing) -> Finding | None:
    found = _denied(rows, recent)
    if found is None:
        return None
    row, count = found
    return proven(
        "The agent's account has no right to write this to Active Directory.",
        because=[spoken(row)],
        fix=["Give the agent's gMSA the missing right with Set-AADCloudSyncPermissions, and wait for replication."],
        since=row.at,
        users=count if count > 1 else None,
    )


@rule(
    "gmsa-adminsdholder",
    "Is the object to be written an ordinary one?",
    explains={"wb-insufficient-rights", "wb-inheritance-off", "wb-permissions-propagating"},
)
def protected_object(rows: SubjectRows, account: AdAccount, recent: RecentRows | Missing) -> Finding | None:
    found, seen = _denied(rows, recent), ad_object(account)
    if found is None or seen is None or not seen.protected:
        return None
    return proven(
        f"{seen.sam or seen.dn} is a protected administrator account, and those do not inherit the agent's rights.",
        because=[account.record.saying("adminCount is 1"), spoken(found[0])],
        fix=[
            "Leave protected accounts out of write-back; that is the safe choice.",
            "Only after a security review: grant the right on the AdminSDHolder object.",
        ],
        since=found[0].at,
    )


@rule("gmsa-upgrade-no-new-permissions", "Did the agent get its new rights?", explains={"wb-insufficient-rights"})
def upgraded_without_rights(
    rows: SubjectRows, recent: RecentRows, account: AdAccount | Missing, access: Access | Missing
) -> Finding | None:
    found, seen = _denied(rows, recent), ad_object(account)
    inherits = isinstance(access, Missing) or all(each.value.inherits is not False for each in access.seen)
    if found is None or found[1] < 3 or (seen and seen.protected) or not inherits:
        return None
    return likely(
        f"{found[1]} objects are refused alike: an agent that was upgraded in place does not get its new write rights.",
        because=[spoken(found[0])],
        fix=["Run Set-AADCloudSyncPermissions -PermissionType UserGroupCreateDelete for the agent's gMSA."],
        since=found[0].at,
        users=found[1],
    )


@rule("wb-inheritance-off", "Does the account inherit the rights of the agent?", explains={"wb-insufficient-rights"})
def inheritance_off(rows: SubjectRows, access: Access, account: AdAccount | Missing) -> Finding | None:
    found, seen = _denied(rows, NOT_ASKED), ad_object(account)
    cut = next((each for each in access.seen if each.value.inherits is False), None)
    if found is None or cut is None or (seen and seen.protected):
        return None
    return proven(
        f"Inheritance is switched off on {cut.value.dn or 'the account'}, so the agent's rights do not reach it.",
        because=[cut.record.saying(f"{cut.value.dn} does not inherit permissions"), spoken(found[0])],
        fix=[f"Enable inheritance on {cut.value.dn or 'the account'}; not on protected administrators."],
        since=found[0].at,
    )


@rule(
    "wb-permissions-propagating",
    "Have the rights for write-back arrived at the account?",
    explains={"wb-insufficient-rights"},
)
def rights_not_there_yet(rows: SubjectRows, access: Access, account: AdAccount | Missing) -> Finding | None:
    found, seen = _denied(rows, NOT_ASKED), ad_object(account)
    lacking = next((each for each in access.seen if _password_rights(each.value.missing)), None)
    if found is None or lacking is None or lacking.value.inherits is False or (seen and seen.protected):
        return None
    missing = ", ".join(_password_rights(lacking.value.missing))
    return likely(
        f"The agent still lacks rights on the account ({missing}): they are too new, or were set in the wrong place.",
        because=[lacking.record.saying(f"missing on {lacking.value.dn}: {missing}"), spoken(found[0])],
        fix=[
            "Set the rights on the domain for this object and all descendants, Unexpire Password among them.",
            "Then wait an hour and try again.",
        ],
        since=found[0].at,
    )


def _password_rights(missing: tuple[str, ...]) -> list[str]:
    return [each for each in missing if any(word in each.lower() for word in PASSWORD_RIGHTS)]


def _others(jobs: Jobs, kind: str) -> Iterator[SyncJob]:
    """Jobs that write to Active Directory, by the beginning of their id."""
    return (job for job in jobs.jobs if job.kind is JobKind.OTHER and job.id.lower().startswith(kind))


@rule("wb-exchange-schema-missing", "Does Active Directory know the Exchange attributes?")
def exchange_schema_missing(
    jobs: Jobs, install: AgentInstall | Missing, log: EventLog | Missing, trace: Trace | Missing
) -> Finding | None:
    job = next((job for job in _others(jobs, "aad2adexchange") if job.error_codes), None)
    heard = told(("exchange schema", "msexch", "mailnickname was not discovered"), log, trace)
    hosts = () if isinstance(install, Missing) else install.on_agent_hosts()
    old = [each for each in hosts if _build(each.value.version) and _build(each.value.version) < EXCHANGE_BUILD]
    if job is None and not (heard and old):
        return None
    return (proven if job and heard else likely)(
        "Exchange attributes are not written back, because Active Directory or the agent does not know them.",
        because=[
            *([job.record.saying(f"the write-back job fails with {', '.join(job.error_codes)}")] if job else []),
            *([heard] if heard else []),
            *(each.record.saying(f"agent build {each.value.version}") for each in old[:1]),
        ],
        fix=[
            "Extend the schema of Active Directory for Exchange; the agent must be 1.1.1107.0 or newer.",
            "Restart the agent's service afterwards, so that it reads the schema again.",
        ],
    )


def _build(version: str | None) -> tuple[int, ...]:
    parts = (version or "").split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


@rule("gpad-member-no-identifier", "Does every member of the group have an AD object?")
def member_without_identifier(recent: RecentRows, rows: SubjectRows | Missing) -> Finding | None:
    own = () if isinstance(rows, Missing) else rows.rows
    row = next((each for each in (*own, *recent.rows) if _names_identifier(each)), None)
    if row is None:
        return None
    return (proven if row in own else likely)(
        "A member is missing from the group in Active Directory, because its cloud account is tied to no AD object.",
        because=[spoken(row)],
        fix=["Let the member be synced from Active Directory by the current tool; then run the group again."],
        since=row.at,
    )


def _names_identifier(row: LogRow) -> bool:
    said = row.says().replace(" ", "")
    return row.status != "success" and "onpremisesobjectidentifier" in said and "hardmatch" not in said


@rule("gpad-scale", "Is the number of groups to be written within the limits?", explains={"sched-group-slow"})
def too_much_for_groups(jobs: Jobs) -> Finding | None:
    for job in _others(jobs, "aad2adgroup"):
        total = sum(count for _, count in job.entries)
        if total > OBJECT_LIMIT:
            return proven(
                f"{total:,} objects are to be written to Active Directory, more than the {OBJECT_LIMIT:,} it takes.",
                because=[job.record.saying(f"{total:,} entries are counted")],
                fix=[f"Choose selected groups instead of all, each of at most {GROUP_LIMIT:,} members."],
            )  # fmt: skip
    return None


WRITEBACK: tuple[Rule, ...] = (
    *(each for words in PASSWORD_REFUSALS for each in _password_rule(*words)), protected_object,
    upgraded_without_rights, inheritance_off, rights_not_there_yet, insufficient_rights, exchange_schema_missing,
    member_without_identifier, too_much_for_groups,
)  # fmt: skip
