"""How often each of many senders has come lately; of the latest senders only, so that many cannot fill the memory."""

from collections import OrderedDict, deque

from bot.clock import Clock


class Recent:
    """`most` times in `seconds` are enough. Counts at most `senders` of them; who came longest ago is forgotten."""

    def __init__(self, clock: Clock, *, most: int, seconds: float, senders: int) -> None:
        self._clock, self._most, self._seconds, self._senders = clock, most, seconds, senders
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, sender: str) -> None:
        times = self._times.setdefault(sender, deque(maxlen=self._most))
        times.append(self._clock.monotonic())
        self._times.move_to_end(sender)
        if len(self._times) > self._senders:
            self._times.popitem(last=False)

    def enough(self, sender: str) -> bool:
        times = self._times.get(sender)
        return times is not None and len(times) == self._most and self._clock.monotonic() - times[0] < self._seconds

    def __contains__(self, sender: str) -> bool:
        return sender in self._times
