"""The namespace: queues and keys. Messages are kept here and not in the server, so they survive its restart."""

from collections.abc import Iterator, Mapping

from bot.clock import Clock, SystemClock
from infra.local.servicebus.errors import NoSuchQueueError
from infra.local.servicebus.faults import Faults
from infra.local.servicebus.message import Message, unbatched
from infra.local.servicebus.queues import DEAD_LETTERS, LiveQueue, Queue
from infra.local.servicebus.tokens import Claim, Key, claim_of


class Broker:
    """`clock` must be near the clients' own: the SDK compares the end of a lock with its wall clock."""

    def __init__(self, queues: Mapping[str, Queue], keys: Mapping[str, Key], clock: Clock | None = None) -> None:
        self.faults = Faults()
        self.keys = dict(keys)
        self.clock: Clock = clock or SystemClock()
        self._queues: dict[str, LiveQueue] = {}
        for name, settings in queues.items():
            self.add_queue(name, settings)

    def __iter__(self) -> Iterator[LiveQueue]:
        return iter(list(self._queues.values()))

    def add_queue(self, name: str, settings: Queue) -> LiveQueue:
        """A queue of that name that is there already stays, as does what is in it."""
        return self._queues.setdefault(name.lower(), LiveQueue(name.lower(), settings, self.clock))

    def remove_queue(self, name: str) -> None:
        """Its messages are lost and its links detached. Raises NoSuchQueueError."""
        queue = self.queue(name)
        del self._queues[queue.name]
        for link in queue.links():
            link.shut(no_such_queue(name))

    def queue(self, path: str) -> LiveQueue:
        """The queue of that name, or its dead letters with `/$DeadLetterQueue` behind. Raises NoSuchQueueError."""
        name, _, sub = path.lower().partition("/")
        queue = self._queues.get(name)
        if sub and queue:
            queue = queue.dead_letters if sub == DEAD_LETTERS.lower() else None
        if queue is None:
            raise no_such_queue(path)
        return queue

    def depth(self, name: str) -> int:
        return self.queue(name).depth

    def dead(self, name: str) -> int:
        """How many of its messages were given up."""
        return self.queue(f"{name}/{DEAD_LETTERS}").depth

    def claim(self, token: str) -> Claim:
        """Raises BadTokenError."""
        return claim_of(token, self.keys, self.clock.now())

    def publish(self, queue: LiveQueue, raw: bytes, *, batch: bool = False) -> None:
        """Takes what a client sent, through whatever the faults do to it. Raises MalformedError."""
        for message in [Message.parse(part) for part in (unbatched(raw) if batch else [raw])]:
            for arriving in self.faults.arranged(queue.name, message, self.clock.monotonic()):
                queue.put(arriving)

    def replay(self, name: str, index: int = -1) -> None:
        """Sends again what the queue once accepted, as a hostile relay would; the newest, unless told otherwise."""
        queue = self.queue(name)
        queue.put(queue.history[index])

    def tick(self) -> None:
        """Due some times a second: ends locks and lifetimes, lets go what was set aside."""
        for name, message in self.faults.overdue(self.clock.monotonic()):
            if name in self._queues:
                self._queues[name].put(message)
        for queue in self:
            queue.tick()


def no_such_queue(path: str) -> NoSuchQueueError:
    return NoSuchQueueError(f"The messaging entity '{path}' could not be found.")
