"""Work in the background: a mistake in it is told of at once, and an ordinary end is not."""

import asyncio
import logging

import pytest

from bot.background import begun


async def goes_on() -> None:
    await asyncio.Event().wait()


async def breaks_off() -> None:
    raise RuntimeError("jdoe@contoso.com")


async def test_work_that_breaks_off_is_an_error_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    task = begun(breaks_off(), "sweep")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "background work broke off: sweep")
    assert record.exc_info


async def test_work_that_is_ended_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    task = begun(goes_on(), "sweep")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert caplog.records == []
    assert task.cancelled()
