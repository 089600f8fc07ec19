"""What happens to a command that counts, whichever way it came: logged, run within limits, its answer handed back."""

import logging
from dataclasses import dataclass
from typing import Final

from bot.probe.command_log import CommandLog
from bot.probe.runner import Runner
from bot.relay.envelope import Outcome
from bot.relay.link import Way
from bot.relay.wire import Command

ROOM: Final = 44_000
"""Bytes of an answer that fit into an envelope, whose text is a third longer than what it carries."""

log = logging.getLogger("whysync.probe")


@dataclass(frozen=True)
class Desk:
    runner: Runner
    commands: CommandLog

    async def outcome(self, way: Way, it: Command) -> Outcome:
        try:
            await self.commands.command(way, it)
        except (OSError, ValueError) as error:
            log.error("the log of commands cannot be written (%s): nothing is run", type(error).__name__)
            return Outcome(None, "not-logged")
        limits = it.limits
        answer = await self.runner.run(it.op, it.args, within=limits.time_s, most_bytes=min(limits.bytes, ROOM))
        try:
            await self.commands.answered(it, answer)
        except (OSError, ValueError) as error:
            log.error("the log of commands cannot be written (%s)", type(error).__name__)
        return Outcome(answer.ok, answer.code, answer.as_json(), answer.truncated, answer.took_ms)
