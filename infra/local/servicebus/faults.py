"""What can go wrong with a relay, on demand: each fault is a field, and can be set and unset while clients talk."""

import asyncio
from dataclasses import dataclass, field

from infra.local.servicebus.message import Message

LONGEST_HOLD = 0.25
"""Seconds that a message waits for others to be shuffled with."""


@dataclass
class Faults:
    """Queues are named in lower case. Faults of whole connections (cut, detach, restart) are acts of the server."""

    delay: float = 0.0
    """Seconds before each frame that the broker sends."""
    refuse_tokens: bool = False
    ignore_tokens: bool = False
    """A request for a token gets no answer at all."""
    refuse_attach: set[str] = field(default_factory=set)
    duplicate: set[str] = field(default_factory=set)
    """What is sent to these queues arrives twice."""
    shuffle: dict[str, int] = field(default_factory=dict)
    """For a queue: so many messages are held back, then arrive last one first."""

    _passing: asyncio.Event = field(default_factory=asyncio.Event)
    _aside: dict[str, list[tuple[float, Message]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._passing.set()

    @property
    def blackholed(self) -> bool:
        return not self._passing.is_set()

    def blackhole(self) -> None:
        """Bytes are taken and nothing is answered, not even a ping, until `pass_again`."""
        self._passing.clear()

    def pass_again(self) -> None:
        self._passing.set()

    def mend(self) -> None:
        """Everything works again. What was set aside to be shuffled still comes."""
        self.delay, self.refuse_tokens, self.ignore_tokens = 0.0, False, False
        self.refuse_attach.clear()
        self.duplicate.clear()
        self.shuffle.clear()
        self.pass_again()

    async def passing(self) -> None:
        await self._passing.wait()

    def arranged(self, queue: str, message: Message, now: float) -> list[Message]:
        """What arrives at the queue now, on one message sent."""
        copies = [message, message] if queue in self.duplicate else [message]
        window = self.shuffle.get(queue, 0)
        if not window:
            return copies
        aside = self._aside.setdefault(queue, [])
        aside += [(now, copy) for copy in copies]
        return self._shuffled(queue) if len(aside) >= window else []

    def overdue(self, now: float) -> list[tuple[str, Message]]:
        """Messages set aside that waited long enough, with their queues."""
        late = [name for name, aside in self._aside.items() if aside and now - aside[0][0] >= LONGEST_HOLD]
        return [(name, message) for name in late for message in self._shuffled(name)]

    def _shuffled(self, queue: str) -> list[Message]:
        return [message for _, message in reversed(self._aside.pop(queue, []))]
