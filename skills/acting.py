"""What can be asked to be done, as it is asked for: in a chat, where others see it and decide on it."""

from bot.acts import Action
from bot.answering import About, Act, Answer, Ask, Outcome
from bot.cards.elements import Tone
from bot.cards.talk import notice
from bot.reach import Reach
from skills.acts import ACTIONS, GUIDES
from skills.facts.subject import Subject, SubjectKind
from skills.verdict import Settle, State, Verdict

NOT_HERE = "I change something only when it is asked for in a chat, where others see it and decide on it."


async def _not_here(ask: Ask, reach: Reach) -> Answer:
    verdict = Verdict(
        at=reach.clock.now(),
        subject=Subject(ask.text, SubjectKind.TENANT),
        state=State.CANNOT_TELL,
        headline=NOT_HERE,
        settle=Settle("the request", "identity admin", NOT_HERE),
        case_id=ask.case_id,
    )
    return Answer(notice("Not here", NOT_HERE, Tone.WARNING), verdict.as_json(), Outcome.CANNOT_TELL)


def _asked_for(action: Action) -> Act:
    about = About.PERSON if action.one_person else About.TENANT
    return Act(action.intents, about, _not_here, op=action.op)


ACTS = tuple(_asked_for(action) for action in ACTIONS)
__all__ = ["ACTS", "GUIDES"]
