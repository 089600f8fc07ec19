"""What can be asked, and what a message was understood to ask."""

from dataclasses import dataclass
from typing import Literal

from bot.identifiers import Identifier
from bot.slots import Slots

Wants = Literal["person", "person?", "pair", "group", "tenant", "code", "event", "attr", "host", "host?", "previous"]


@dataclass(frozen=True)
class Intent:
    """One thing that can be asked. `wants` is asked for when it is missing, unless it ends with a question mark.

    One that `acts` changes something: little else may stand in its sentence, and no negation. Without an `example` it
    is small talk: anything else in the message goes before it, and it is never offered. One that `yields` asks about
    things in general: a person in trouble in the same message goes before it.
    """

    name: str
    phrases: tuple[str, ...]
    example: str
    wants: Wants | None = None
    acts: bool = False
    yields: bool = False


@dataclass(frozen=True)
class Defaults:
    """What a message asks that fits no phrase, or a phrase of an intent that yields.

    `trouble`: the stems of what is said when something is wrong. As they are typed: `shared`, what belongs to all;
    `all`, words for all of it.
    """

    somebody: str
    """The question about the person it names."""
    everybody: str
    """The question it asks where it names nobody."""
    trouble: frozenset[str]
    shared: frozenset[str]
    all: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Previous:
    """What the thread was last about; `asked`: the slots the bot asked for in its last message."""

    intent: str
    who: tuple[Identifier, ...] = ()
    group: Identifier | None = None
    topic: str | None = None
    asked: tuple[str, ...] = ()
    host: str | None = None


@dataclass(frozen=True)
class Understood:
    intent: str
    slots: Slots
    phrase: str  # the phrase that matched, as it is written
    topic: str | None = None
    needs: tuple[str, ...] = ()  # slots to ask for, or "previous"
    carried: tuple[str, ...] = ()  # slots taken from the thread
    more: bool = False  # the message asked for something else too, or was too long to be read whole
    otherwise: "Understood | NotUnderstood | None" = None  # what it asks if none of `slots.maybe` is anybody
    likely: bool = False  # the first of `slots.maybe` stands where a name would: only a full search can rule it out


@dataclass(frozen=True)
class NotUnderstood:
    nearest: tuple[Intent, ...]  # three, if that many can be offered
    slots: Slots
