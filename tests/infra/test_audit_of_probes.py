"""The whole bot, as the demo runs it: what happens to its probes stands in its audit, signed with its key."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.app import open_bot, open_graph
from bot.audit import Chain, LogSink, exported
from bot.audit_chain import Export, read, verify
from bot.clock import SystemClock
from bot.enrolling import Enrolling, NotSetUp
from bot.policy import Policy
from bot.probe.allowed import Args
from bot.probe.reach import Observed, ProbeReach
from bot.relay.envelope import PrivateKey, PublicKey, b64, unb64
from bot.settings import from_environment
from bot.store.sqlite import SqliteStore
from infra.local.demo import Demo, running_demo
from infra.local.site import SimulatedSite

PATIENCE = 20.0


async def test_a_probe_that_is_revoked_during_a_command_is_on_record_from_its_invitation_to_its_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("bot.audit.SWEEP_EVERY", 0.1)
    asked, go_on = asyncio.Event(), asyncio.Event()
    observing = SimulatedSite._observing

    def slow(site: SimulatedSite, check: str) -> Any:
        async def observe(_: ProbeReach, __: Args) -> Observed:
            asked.set()
            await go_on.wait()
            return Observed(True, [], None)

        return observe if check == "dns" else observing(site, check)

    monkeypatch.setattr(SimulatedSite, "_observing", slow)
    async with running_demo(latency=0.0) as demo, asyncio.timeout(PATIENCE):
        name = (await demo.side.probes.contacts())[0].probe
        asking = asyncio.create_task(demo.side.probes.ask("dns", {}, only=name))
        await asked.wait()
        gen = await _revoked(demo, name)
        go_on.set()
        records, whole, signed = await _audited(tmp_path, until="probe.answer-discarded")
        asking.cancel()
    told = [(each["action"], each["decision"]) for each in records if each["target"] in (gen, name)]
    assert told == [
        ("probe applied", "done"),
        ("probe confirmed", "done"),
        ("probe revoked", "done"),
        ("probe.answer-discarded", "revoked"),
    ]
    assert (whole, signed >= 1) == (True, True)


async def _revoked(demo: Demo, name: str) -> str:
    assert isinstance(demo.side.enrolment, Enrolling)
    record = (await demo.side.enrolment.revoke(name, "admin-3")).record
    assert record is not None
    return record.probe.identity.gen


async def _audited(folder: Path, until: str) -> tuple[list[Mapping[str, Any]], bool, int]:
    """The records once one of this action is there; whether the audit is whole; how often it was signed."""
    key, path = await asyncio.to_thread(_kept, folder)
    async with SqliteStore(path) as store:
        while True:
            export = read("".join([f"{line}\n" async for line in exported(store)]).encode())
            records = _records(export)
            if export.checkpoints and any(each["action"] == until for each in records):
                found = verify(export, {key.kid: key})
                return records, not found.findings, found.checkpoints
            await asyncio.sleep(0.05)


def _kept(folder: Path) -> tuple[PublicKey, Path]:
    """The demo's key, and its store."""
    (there,) = folder.glob("whysync-demo-*")
    return PrivateKey(unb64((there / "signing.key").read_text())).public, there / "demo.sqlite3"


def _records(export: Export) -> list[Mapping[str, Any]]:
    return [link.body for link in export.links]


async def _signed(store: SqliteStore) -> Export:
    while True:
        export = read("".join([f"{line}\n" async for line in exported(store)]).encode())
        if export.checkpoints:
            return export
        await asyncio.sleep(0.05)


def _written(path: Path, key: PrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_text(b64(key.seed))


async def test_the_audit_is_signed_where_there_are_no_probes_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.audit.SWEEP_EVERY", 0.1)
    key, path, clock = PrivateKey.generate(), tmp_path / "bot.sqlite3", SystemClock()
    await asyncio.to_thread(_written, tmp_path / "signing.key", key)
    told = {"LOCAL": "1", "APP_TENANT_ID": "t", "SIGNING_KEY": str(tmp_path / "signing.key")}
    told |= {
        "STORE": f"sqlite:///{path}",
        "CONNECTOR_TOKEN": "c",
        "GRAPH_URL": "http://127.0.0.1:9",
        "GRAPH_TOKEN": "g",
    }
    settings = from_environment({f"WHYSYNC_{name}": value for name, value in told.items()})
    policy = Policy.parse({"person_key": "objectId", "roles": {}})
    async with (
        asyncio.timeout(PATIENCE),
        open_graph(settings, clock) as graph,
        open_bot(settings, clock, graph, policy) as bot,
        SqliteStore(path) as store,
    ):
        assert isinstance(bot.side.enrolment, NotSetUp)
        await Chain(store, "another", clock, None, LogSink()).note("anna", "stop-all-acts", "acts", "stopped")
        export = await _signed(store)
    found = verify(export, {key.public.kid: key.public})
    assert (found.records, found.checkpoints, found.findings) == (1, 1, ())
