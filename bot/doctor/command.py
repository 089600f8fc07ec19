"""`whysync doctor`: looks at the bot and its tenant from a shell beside it, and says line by line what misses."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from bot.acts import Action
from bot.app import open_graph, reach_of
from bot.clock import Clock, SystemClock
from bot.credentials import credential_of
from bot.doctor.configured import forgiving, safe_to_ask
from bot.doctor.findings import Check, State
from bot.doctor.parts import OwnParts
from bot.doctor.report import Report, examined
from bot.doctor.terminal import ProgressLine, shown
from bot.evidence import SourceError
from bot.reach import Reach
from bot.relay.client import NoProbes
from bot.settings import Settings

COMPLETE, INCOMPLETE = 0, 1
UNASKED: Final = "It is not asked: a setting that says where, or as whom, is refused."
UNUSABLE: Final = "It is not asked: the credential of the app cannot be used."

TenantChecks = Callable[[Reach], Sequence[Check]]


class Unasked:
    """Stands where Graph would, when it might be the wrong one."""

    calls = 0

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def get(self, *_: Any, **__: Any) -> Any:
        raise SourceError(self._reason)

    pages = get


async def doctor(tenant: TenantChecks, actions: Mapping[str, Action], *, as_json: bool) -> int:
    """The exit code."""
    progress = ProgressLine(sys.stderr)
    report = await _report(tenant, actions, progress)
    progress.clear()
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    sys.stdout.write(json.dumps(report.as_json()) + "\n" if as_json else shown(report, colours=colours))
    return INCOMPLETE if report.of(State.MISSING) else COMPLETE


async def _report(tenant: TenantChecks, actions: Mapping[str, Action], progress: ProgressLine) -> Report:
    settings, refused = forgiving()
    clock = SystemClock()
    async with _reach(settings, refused, clock) as reach:
        parts = OwnParts(settings, clock, reach.graph, actions, credential_of, refused=refused)
        reach = replace(reach, itself=parts)
        return await examined([*parts.checks(), *tenant(reach)], clock, progress)


@asynccontextmanager
async def _reach(settings: Settings, refused: Sequence[str], clock: Clock) -> AsyncIterator[Reach]:
    async with AsyncExitStack() as stack:
        if not safe_to_ask(refused):
            yield Reach(Unasked(UNASKED), NoProbes(), clock)
            return
        try:
            graph = await stack.enter_async_context(open_graph(settings, clock))
        except (OSError, ValueError):
            yield Reach(Unasked(UNUSABLE), NoProbes(), clock)
            return
        yield reach_of(graph, clock)
