"""Work that goes on for as long as the program: where it ends by a mistake, that is said at once."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("whysync.app")


def begun(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    """For whoever began it to cancel. Nobody awaits it before that, so its error would not be seen till then."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_told)
    return task


def _told(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background work broke off: %s", task.get_name(), exc_info=error)
