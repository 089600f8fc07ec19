"""Who says something about an act, and what the policy lets them do there; the approvals look again themselves."""

from dataclasses import dataclass
from typing import Protocol

from bot import act_cards_text as words
from bot.approvals import Request, Verb
from bot.approving import Approvals
from bot.deciding import WORDS, Ruling
from bot.people import Person
from bot.policy import Where
from bot.turns import ChatKind, Place, Sender


class Rulings(Protocol):
    """Policy and directory, asked afresh. Never raises."""

    async def ruling(
        self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Ruling: ...


@dataclass(frozen=True)
class Speaker:
    """Looked up in the directory; `sender` says only how to reach them."""

    person: Person
    sender: Sender
    place: Place

    @property
    def id(self) -> str:
        return self.person.object_id.lower()

    @property
    def name(self) -> str:
        return self.person.name or self.sender.name or "Somebody"

    @property
    def alone(self) -> bool:
        return self.place.kind is ChatKind.PERSONAL

    @property
    def where(self) -> Where:
        return where_of(self.place)

    def asked_for(self, request: Request) -> bool:
        return self.id == request.requester.object_id.lower()


def where_of(place: Place) -> Where:
    return Where(place.channel_id, personal=place.kind is ChatKind.PERSONAL)


class NotDone(Exception):  # noqa: N818  # an answer, not a defect
    """`sentence` says why, and what to do instead."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Rights:
    """The approvals decide; this only says why not, and keeps what is asked in the wrong place from going further."""

    def __init__(self, rulings: Rulings, approvals: Approvals) -> None:
        self._rulings, self._approvals = rulings, approvals

    async def require(self, verb: Verb, op: str, configuration: str, speaker: Speaker) -> None:
        """Raises NotDone."""
        ruling = await self._rulings.ruling(speaker.id, verb, op, configuration, speaker.where)
        if ruling.code:
            raise NotDone(WORDS.get(ruling.code, words.SENTENCES["not-allowed"]))

    async def require_for(self, verb: Verb, request: Request, speaker: Speaker) -> None:
        """Raises NotDone, Busy, NoSuchRequest."""
        await self.require(verb, request.thing.op, await self._configuration(request), speaker)

    async def require_sight(self, request: Request, speaker: Speaker) -> None:
        """Whoever asked, or might decide on such a thing or ask for it. Raises NotDone, Busy, NoSuchRequest."""
        if speaker.asked_for(request):
            return
        configuration = await self._configuration(request)
        for verb in (Verb.DENY, Verb.ASK):
            ruling = await self._rulings.ruling(speaker.id, verb, request.thing.op, configuration, speaker.where)
            if not ruling.code:
                return
        raise NotDone(words.SENTENCES["not-allowed"])

    async def _configuration(self, request: Request) -> str:
        return (await self._approvals.shelf.shown(request.id)).configuration
