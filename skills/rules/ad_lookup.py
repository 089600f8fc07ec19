"""Whether a look into Active Directory finds the person: by the DN that was typed, and at each domain controller."""

import re
from datetime import timedelta

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from bot.identifiers import InvalidDn, parse_dn
from skills.facts.ad import AdObject
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempt, Attempts
from skills.facts.site import AgentInstall, Control, Controllers, Directory, EventLog
from skills.facts.site_records import ControllerState
from skills.facts.subject import AdAccount, Identity
from skills.facts.tenant import Now
from skills.rules.channel_state import NOT_ASKED, channel_state, same_machine
from skills.rules.read_rights import LookSeen, as_agent, finds, looks
from skills.scoping import same_dn

STALE = timedelta(hours=1)


@rule("obj-wrong-dn", "Was the right distinguished name asked for?")
def wrong_dn(
    now: Now,
    attempts: Attempts,
    account: AdAccount,
    identity: Identity,
    directory: Directory | Missing,
    control: Control | Missing,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
) -> Finding | None:
    person = account.object
    if person is None or person.deleted:
        return None
    lost = next((each for each in attempts.attempts if each.object_missing and _means(each, person, identity)), None)
    channel = channel_state(now, jobs, subject, log, NOT_ASKED)
    if lost is None or channel.dead or _found_there(lost.dn, directory):
        return None
    if _right_name_lost(attempts, person) or (not channel.works and _others_lost(attempts, person, identity)):
        return None  # then it is more than one wrong name: the channel, or a right to read
    seen = [seen for _, seen in filter(lambda pair: finds(pair), looks(control))]
    healthy = channel.works or bool(seen) or any(each.succeeded for each in attempts.attempts)
    return (proven if healthy else likely)(
        f"The name {lost.dn} is wrong or old: the object is {person.dn}.",
        because=[
            lost.record.saying("provision on demand found no such object"),
            account.record.saying(f"Active Directory holds it as {person.dn}"),
            *(each.record.saying("the known-good object is found") for each in seen[:1]),
        ],
        fix=[f"Provision on demand with {person.dn}; a comma inside a name is written \\,"],
        action="provision_on_demand",
    )


def _right_name_lost(attempts: Attempts, person: AdObject) -> bool:
    """The person's real name was the last one tried, and it was not found either."""
    own = next((each for each in attempts.attempts if _same(each.dn, person.dn)), None)
    return own is not None and own.object_missing


def _others_lost(attempts: Attempts, person: AdObject, identity: Identity) -> bool:
    tries = attempts.attempts
    return not any(each.succeeded for each in tries) and any(
        each.object_missing and not _means(each, person, identity) for each in tries
    )


def _means(attempt: Attempt, person: AdObject, identity: Identity) -> bool:
    """The name that was tried is not the person's, and yet was meant for them."""
    if _same(attempt.dn, person.dn):
        return False
    asked = identity.subject
    cloud_dn = asked.cloud.dn if asked.cloud else None
    if _same(attempt.dn, asked.asked) or (cloud_dn and _same(attempt.dn, cloud_dn)):
        return True
    own = _words(
        " ".join(filter(None, (person.dn.partition("=")[2].partition(",OU=")[0], person.display_name, person.sam)))
    )
    tried = _words(_first_value(attempt.dn))
    return bool(tried) and (tried <= own or len(tried & own) > 1)


def _same(one: str, other: str) -> bool:
    try:
        return one.lower() == other.lower() or same_dn(one, other)
    except InvalidDn:
        return False


def _first_value(dn: str) -> str:
    try:
        return parse_dn(dn).rdns[0].pairs[0][1]
    except InvalidDn:
        return dn.partition("=")[2].partition("=")[0]  # up to the next attribute: an unescaped comma is kept


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if word not in ("cn", "ou", "dc")}


def _found_there(dn: str, directory: Directory | Missing) -> bool:
    if isinstance(directory, Missing):
        return False
    return any(_same(item.dn, dn) and not item.deleted for item in directory.objects)


@rule("ad-replication-lag", "Do all domain controllers know the same of the person?", explains={"obj-wrong-dn"})
def replication_lag(
    now: Now, directory: Directory, controllers: Controllers | Missing, install: AgentInstall | Missing
) -> Finding | None:
    found = _absent_somewhere(looks(directory)) or _older_somewhere(looks(directory))
    if found is None:
        return None
    behind, ahead, what = found
    preferred = () if isinstance(install, Missing) else [dc for seen in install.seen for dc in seen.value.preferred_dcs]
    if preferred and not any(same_machine(behind[0].dc or "", dc) for dc in preferred):
        return None  # the agent reads from another controller
    trouble = _trouble(controllers, behind[0].dc or "", now)
    alike = as_agent(behind) == as_agent(ahead)
    if not (alike or trouble):
        return None
    return (proven if trouble or preferred else likely)(
        f"{behind[0].dc} does not know yet what {ahead[0].dc} knows of the person: replication is behind.",
        because=[
            behind[1].record.saying(f"at {behind[0].dc} {what}; at {ahead[0].dc} it is there"),
            *(each for each in trouble[:1]),
        ],
        fix=[
            f"Run repadmin /showrepl {behind[0].dc} and repair what fails, or force replication.",
            "Sync the person again when both controllers show the same.",
        ],
        action="provision_on_demand",
    )


Gap = tuple[LookSeen, LookSeen, str]
"""The look at the controller that is behind, the one that is ahead, and what the first lacks."""


def _absent_somewhere(pairs: list[LookSeen]) -> Gap | None:
    for behind in pairs:
        for ahead in pairs:
            apart = behind[0].dc and ahead[0].dc and not same_machine(behind[0].dc, ahead[0].dc)
            if behind[0].computed and not ahead[0].computed:
                continue  # hidden from that account, it may be there all the same
            if apart and not finds(behind) and not behind[0].error and finds(ahead):
                return behind, ahead, "the object is not found"
    return None


def _older_somewhere(pairs: list[LookSeen]) -> Gap | None:
    seen = [(pair, item) for pair in pairs for item in pair[0].objects if item.guid and item.changed and pair[0].dc]
    for behind, old in seen:
        for ahead, new in seen:
            apart = not same_machine(behind[0].dc or "", ahead[0].dc or "") and behind[0].computed == ahead[0].computed
            if apart and old.guid == new.guid and _differ(old, new):
                return behind, ahead, f"the object is as of {old.changed:%d %b %H:%M} UTC"
    return None


def _differ(old: AdObject, new: AdObject) -> bool:
    """One is older, and not only in its time stamp, which each controller sets for itself."""
    if not (old.changed and new.changed and old.changed < new.changed):
        return False
    return (old.dn, old.upn, old.mail, old.proxies, old.display_name, old.account_control, dict(old.attributes)) != (
        new.dn, new.upn, new.mail, new.proxies, new.display_name, new.account_control, dict(new.attributes)
    )  # fmt: skip


def _trouble(controllers: Controllers | Missing, dc: str, now: Now) -> list[Because]:
    if isinstance(controllers, Missing):
        return []
    return [
        seen.record.saying(
            f"{each.dc}: {each.replication_error or f'last replication {each.last_replication:%d %b %H:%M} UTC'}"
        )
        for seen in controllers.seen
        for each in seen.value
        if same_machine(each.dc, dc) and _late(each, now)
    ]


def _late(controller: ControllerState, now: Now) -> bool:
    last = controller.last_replication
    return bool(controller.replication_error) or (last is not None and now.at - last > STALE)


AD_LOOKUP: tuple[Rule, ...] = (replication_lag, wrong_dn)
