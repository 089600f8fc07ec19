"""`whysync probe run`: from the files on this server to a running service, until somebody ends it."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Final

from bot.clock import Clock, SystemClock
from bot.ending import ending
from bot.probe.command_log import CommandLog
from bot.probe.event_log import event_log
from bot.probe.identity import State, StateError
from bot.probe.policy import LocalPolicy
from bot.probe.service import service_of

END_WITHIN: Final = 4.0
LAST_RESORT_S: Final = 6.0

log = logging.getLogger("whysync.probe")


def run_for_ever(policy: LocalPolicy, state: State) -> None:
    """Until SIGTERM or Ctrl-C. Raises StateError, RefusedPolicy."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("whysync").setLevel(logging.INFO)
    asyncio.run(_run(policy, state))


async def _run(policy: LocalPolicy, state: State) -> None:
    clock = SystemClock()
    identity = await asyncio.to_thread(state.load)
    from bot.probe.opening import openings  # here: a large SDK stands behind it, and a refused setting needs none

    async with AsyncExitStack() as stack:
        stack.enter_context(state.alone())
        commands = await asyncio.to_thread(_opened, state, clock)
        stack.callback(commands.close)
        service = await service_of(identity, policy, state, commands, clock)
        ways = await openings(identity, policy, clock, stack)
        log.info("%s, version %s, begins; it may run: %s", identity.who.probe, service.software, service.offers)
        await _noted(commands, state, "begins", version=service.software, offers=service.offers)
        await _until_told(service.run(ways))
        await _noted(commands, state, "ends")
    log.info("ended")


def _opened(state: State, clock: Clock) -> CommandLog:
    try:
        return CommandLog(state.folder, clock, events=event_log())
    except OSError as error:
        raise _unwritten(state, error) from error


async def _noted(commands: CommandLog, state: State, event: str, **what: str) -> None:
    try:
        await commands.happened(event, **what)
    except OSError as error:
        raise _unwritten(state, error) from error


def _unwritten(state: State, error: OSError) -> StateError:
    return StateError(f"The log of commands cannot be written to {state.folder}: {error.strerror}")


async def _until_told(run: Coroutine[None, None, None]) -> None:
    """Ends by itself only where it fails; told to, within seconds."""
    with ending() as stop:
        running = asyncio.create_task(run, name="probe")
        told = asyncio.create_task(stop.wait(), name="signals")
        await asyncio.wait([running, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if running.done():
            running.result()
            return
        log.info("ending")
        _end_anyway()
        running.cancel()
        if not (await asyncio.wait([running], timeout=END_WITHIN))[0]:
            log.warning("something does not end within %.0f seconds and is left behind", END_WITHIN)


def _end_anyway() -> None:
    """A check's thread that waits for a dead server must not hold up the end: nothing here is lost by leaving it."""
    timer = threading.Timer(LAST_RESORT_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
