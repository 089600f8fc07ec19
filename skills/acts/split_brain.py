"""Split brain, guided: both accounts side by side, what each would cost, which to keep, and the steps with proof."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.answering import About, Answer, Case, Skill
from bot.evidence import Evidence, Missing
from skills.acts.split_brain_card import Account, Guide, Step, guide_answer
from skills.collectors.tenant import now
from skills.facts.directory import AccountRoles, CloudAccount, CloudUser, Holders, RecycleBin
from skills.facts.log import SubjectRows
from skills.facts.subject import AdAccount, Identity, Subject
from skills.meant import the_person
from skills.phrases.acts import SPLIT_BRAIN
from skills.rules.sides import Sides, sides
from skills.sources import ABOUT_A_PERSON

READ_BACK = "is {who} synced"


class Shape(StrEnum):
    TWIN = "one made by hand stands where the account of Active Directory should be"
    TWO_LIVE = "two live accounts"
    DELETED = "the account that sync made is deleted, and another one is live"


@dataclass(frozen=True)
class Brain:
    """Both halves: `tied` belongs to the object in Active Directory, `stranger` does not."""

    shape: Shape
    tied: CloudUser | None
    stranger: CloudUser
    anchor: str | None


def brain_of(evidence: Evidence) -> Brain | None:
    """None where there are no two halves."""
    both = sides(
        evidence.get(SubjectRows),
        Missing("not asked"),
        evidence.get(AdAccount),
        evidence.get(CloudAccount),
        evidence.get(Holders),
        evidence.get(Identity),
    )
    strangers = [each.user for each in both.rivals if each.user and each.user.deleted is None]
    same = [user for user in strangers if both.is_same_person(user)]
    if not same:
        return None
    if both.own:
        return Brain(Shape.TWO_LIVE, both.own, same[0], both.anchor)
    gone = _deleted(evidence, both)
    return Brain(Shape.DELETED if gone else Shape.TWIN, gone, same[0], both.anchor)


def _deleted(evidence: Evidence, both: Sides) -> CloudUser | None:
    recycled = evidence.get(RecycleBin)
    found: Iterable[CloudUser] = () if isinstance(recycled, Missing) else recycled.users
    return next((user for user in found if both.anchor and user.anchor == both.anchor), None)


def guide(brain: Brain, subject: Subject, roles: AccountRoles | Missing) -> Guide:
    keep_stranger = _worth(brain.stranger, roles) > (_worth(brain.tied, roles) if brain.tied else 0)
    accounts = [_account(brain.stranger, "not tied to Active Directory", roles)]
    accounts += [_account(brain.tied, "of the object in Active Directory", roles)] if brain.tied else []
    who = subject.upn or subject.label
    steps = _joined(brain, who, roles) if keep_stranger else _cleared(brain, who)
    kept = brain.stranger if keep_stranger else brain.tied
    advice = f"Keep {_name(kept)}" if kept else f"Keep neither: let sync make a new one for {who}"
    why = "it holds more that would be lost" if keep_stranger else "nothing of worth shows on the other one"
    return Guide(
        f"{who} is split in two: {brain.shape.value}.", tuple(accounts), f"{advice}: {why}.", steps, _offers(brain, who)
    )


def _worth(user: CloudUser, roles: AccountRoles | Missing) -> int:
    """Licences and what hangs on them weigh most; then roles, a mailbox address, and being used."""
    held = () if isinstance(roles, Missing) else tuple(each for each in roles.roles if each.principal == user.id)
    return 4 * bool(user.licensed) + 3 * bool(held) + 2 * bool(user.proxies) + bool(user.enabled and not user.deleted)


def _account(user: CloudUser, what: str, roles: AccountRoles | Missing) -> Account:
    return Account(_name(user), what, user, tuple(_lost(user, roles)))


def _lost(user: CloudUser, roles: AccountRoles | Missing) -> Iterable[str]:
    if user.licensed is None:
        yield "licences: not told"
    else:
        yield "licences, and the mailbox and files that hang on them" if user.licensed else "no licence, so no mailbox"
    if user.proxies:
        yield f"mail addresses: {', '.join(each.partition(':')[2] or each for each in user.proxies[:3])}"
    if isinstance(roles, Missing):
        yield f"roles: could not be read ({roles.reason})"
    else:
        held = [each.role for each in roles.roles if each.principal == user.id]
        yield f"roles: {', '.join(held)}" if held else "roles: none seen"
    if user.deleted:
        yield "sign-in: none, it is deleted"
    else:
        yield f"sign-in: {'possible' if user.enabled else 'switched off'} as {user.upn}"


def _joined(brain: Brain, who: str, roles: AccountRoles | Missing) -> tuple[Step, ...]:
    """The stranger stays and is tied to the object in Active Directory."""
    user, anchor = brain.stranger, brain.anchor
    held = () if isinstance(roles, Missing) else tuple(each for each in roles.roles if each.principal == user.id)
    steps = []
    if held:
        steps.append(
            Step(
                f"Take the roles off {_name(user)} for the time being: an account with roles is not taken over.",
                "The list of roles above is empty when you ask again.",
            )
        )
    steps += _out_of_the_way(brain, who)
    value = anchor or "ANCHOR"
    command = f"Update-MgUser -UserId {user.id} -OnPremisesImmutableId '{value}'"
    steps.append(Step(f"Tie it to the object in Active Directory: {command}", f"Ask: {READ_BACK.format(who=who)}"))
    steps.append(_run(who))
    return (*steps, Step("Give the roles back.", "The person can do their work.")) if held else tuple(steps)


def _out_of_the_way(brain: Brain, who: str) -> list[Step]:
    """The other half must hold the anchor no longer: also not from the recycle bin."""
    if brain.tied is None:
        return []
    steps = []
    if brain.shape is Shape.TWO_LIVE:
        says = f"Save what {_name(brain.tied)} holds, then take {who} out of scope, so that sync deletes that account."
        steps.append(Step(says, f"Ask: {READ_BACK.format(who=who)}"))
    command = f"Remove-MgDirectoryDeletedItem -DirectoryObjectId {brain.tied.id}"
    steps.append(
        Step(f"Delete it for good; this cannot be undone: {command}", "The recycle bin does not show it any more.")
    )
    back = [Step(f"Put {who} back in scope only after the next step.", "")] if brain.shape is Shape.TWO_LIVE else []
    return steps + back


def _cleared(brain: Brain, who: str) -> tuple[Step, ...]:
    """The stranger goes, and the account of Active Directory takes its place."""
    user = brain.stranger
    steps = [
        Step(f"Save what {_name(user)} holds: files, mail, group memberships.", "Its owner has seen the copy."),
        Step(f"Delete it: Remove-MgUser -UserId {user.id}", f"Ask: {READ_BACK.format(who=who)}"),
        Step(
            "Delete it from the recycle bin as well, else its names stay taken; this cannot be undone: "
            f"Remove-MgDirectoryDeletedItem -DirectoryObjectId {user.id}",
            "The recycle bin does not show it any more.",
        ),
    ]
    if brain.shape is Shape.DELETED:
        return (*steps, Step(f"restore {who} from the recycle bin", f"Ask: {READ_BACK.format(who=who)}"))
    return (*steps, _run(who))


def _run(who: str) -> Step:
    return Step(f"provision {who} now", "The run ends with the account, tied to the right object.")


def _offers(brain: Brain, who: str) -> tuple[str, ...]:
    """Only what the bot can do, and only where it comes into question."""
    if brain.shape is Shape.DELETED:
        return (f"restore {who} from the recycle bin", f"provision {who} now")
    return (f"provision {who} now",)


def _name(user: CloudUser | None) -> str:
    return (user.upn or user.display_name or user.id) if user else "?"


def split_brain_answer(case: Case[Subject]) -> Answer:
    brain = None if case.subject.candidates else brain_of(case.evidence)
    return guide_answer(case, guide(brain, case.subject, case.evidence.get(AccountRoles)) if brain else None)


split_brain = Skill(
    intents=(SPLIT_BRAIN,),
    about=About.PERSON,
    resolve=the_person,
    collectors=(now, *ABOUT_A_PERSON),
    view=split_brain_answer,
)
