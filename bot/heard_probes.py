"""The probes as one question asks them: each on its own, so that whoever waits can be told how far each has come."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.evidence import SourceError
from bot.relay.client import CheckAnswer, ProbeContact, Probes
from bot.tracing import PROBE_CHECK, note, span


@dataclass
class ProbeProgress:
    probe: str
    answered: int = 0
    asked: int = 0
    _running: list[str] = field(default_factory=list)

    @property
    def running(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._running))

    def began(self, check: str) -> None:
        self.asked += 1
        self._running.append(check)

    def ended(self, check: str, *, answered: bool) -> None:
        self._running.remove(check)
        self.answered += answered


class HeardProbes:
    """Wraps the probes for one question. Answers stand in the order in which the probes are enrolled."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._progress: dict[str, ProbeProgress] = {}
        self.events = 0
        """Grows with everything that there is to tell."""

    @property
    def progress(self) -> tuple[ProbeProgress, ...]:
        return tuple(self._progress.values())

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return await self._probes.contacts()

    async def ask(self, check: str, args: Mapping[str, str], *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        """Of several probes an error counts only where none answered."""
        if only is not None:
            return await self._one(check, args, only)
        names = [each.probe for each in await self.contacts()]
        told = await asyncio.gather(*(self._one(check, args, name) for name in names), return_exceptions=True)
        errors = [each for each in told if isinstance(each, BaseException)]
        answers = tuple(answer for each in told if not isinstance(each, BaseException) for answer in each)
        if errors and not (answers and all(isinstance(each, SourceError) for each in errors)):
            raise errors[0]
        return answers

    async def _one(self, check: str, args: Mapping[str, str], probe: str) -> tuple[CheckAnswer, ...]:
        progress = self._progress.setdefault(probe, ProbeProgress(probe))
        progress.began(check)
        self.events += 1
        answers: tuple[CheckAnswer, ...] = ()
        try:
            with span(PROBE_CHECK, check=check):
                answers = await self._probes.ask(check, args, only=probe)
                note(outcome="answered" if answers else "silent")
        finally:
            progress.ended(check, answered=bool(answers))
            self.events += 1
        return answers
