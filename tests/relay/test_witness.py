"""What happens to probes stands in the audit: who did what to which, what was refused, what was thrown away."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pair import Site, met, said

from bot.audit import Chain, LogSink, exported
from bot.audit_chain import read, verify
from bot.clock import VirtualClock
from bot.enrolling import Enrolling, Terms
from bot.relay.application import Token
from bot.relay.enrolment import NotAdmittedError, apply
from bot.relay.enrolments import StoredEnrolments
from bot.relay.envelope import Outcome, PrivateKey
from bot.relay.wire import RefusedError
from bot.store import Store
from bot.store.sqlite import SqliteStore
from bot.witness import AuditWitness
from tests.store.model import Ground, ModelStore

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TENANT = "11111111-2222-4333-8444-555555555555"
KEY, ONE, TWO = (PrivateKey(bytes([seed]) * 32) for seed in (9, 1, 2))
TERMS = Terms("https://whysync.contoso.com", TENANT, KEY.public, "ns.servicebus.windows.net")
KEYS = {KEY.public.kid: KEY.public}


class Desk:
    """What takes probes into service, with a chain of its own."""

    def __init__(self, store: Store, name: str = "one") -> None:
        clock = VirtualClock(AT)
        self.chain = Chain(store, name, clock, KEY, LogSink())
        self.witness = AuditWitness(self.chain)
        self.enrolling = Enrolling(StoredEnrolments(store, TENANT, clock), TERMS, clock, witness=self.witness)

    async def token(self) -> Token:
        return (await self.enrolling.invite("SRV-A", frozenset({"dns"}), "admin-1")).token

    async def whole_life(self) -> tuple[str, str]:
        """Invited, refused in every way, confirmed, revoked. The ids of the invitation and of the probe."""
        token = await self.token()
        with pytest.raises(NotAdmittedError):
            await self.enrolling.admit(replace(apply(token, "srv-a", ONE.public), proof=bytes(32)))
        await self.enrolling.admit(apply(token, "srv-a", ONE.public))
        with pytest.raises(RefusedError):
            await self.enrolling.confirm("SRV-A", ONE.public.fingerprint, "admin-1")
        with pytest.raises(RefusedError):
            await self.enrolling.confirm("SRV-A", TWO.public.fingerprint, "admin-2")
        record = await self.enrolling.confirm("SRV-A", ONE.public.fingerprint, "admin-2")
        await self.enrolling.revoke("SRV-A", "admin-3")
        return token.invitation, record.probe.identity.gen


async def records(store: Store) -> list[Mapping[str, Any]]:
    return [link.body for link in read(await data(store)).links]


async def data(store: Store) -> bytes:
    return "".join([f"{line}\n" async for line in exported(store)]).encode()


def told(records: list[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    return [(each["actor"], each["action"], each["target"], each["decision"]) for each in records]


async def test_every_change_of_a_probe_and_every_refusal_of_one_stands_in_the_audit() -> None:
    desk = Desk(store := ModelStore())
    invitation, gen = await desk.whole_life()
    assert told(await records(store)) == [
        ("admin-1", "probe invited", invitation, "done"),
        ("", "probe not admitted", invitation, "bad-proof"),
        ("admin-1", "probe applied", gen, "done"),
        ("admin-1", "probe not confirmed", gen, "same-person"),
        ("admin-2", "probe not confirmed", gen, "other-fingerprint"),
        ("admin-2", "probe confirmed", gen, "done"),
        ("admin-3", "probe revoked", gen, "done"),
    ]
    assert "SRV-A" not in str(await records(store))


async def test_what_a_revoked_probe_still_says_is_thrown_away_and_stands_in_the_audit() -> None:
    desk = Desk(store := ModelStore())
    site = Site()
    site.exchange._audit = desk.witness.soon
    async with met(site):
        site.probe.checks["tcp"] = _lasting(site, 3)
        asked = asyncio.create_task(site.exchange.ask("tcp", {}))
        await site.clock.pass_(1)
        site.registry.revoke(site.probe)
        await site.clock.pass_(2.5)
        assert await asked == ()
    await desk.witness.close()
    assert told(await records(store)) == [("", "probe.answer-discarded", "SRV-A", "revoked")]


def _lasting(site: Site, seconds: float) -> Any:
    async def run(_: Mapping[str, str]) -> Outcome:
        await site.clock.sleep(seconds)
        return said(["done"])

    return run


async def test_two_instances_witness_at_once_and_the_audit_is_whole() -> None:
    ground = Ground()
    one, two = (Desk(ModelStore(ground=ground), name) for name in ("one", "one"))
    noted = ({"actor_oid": "admin-1", "corr": str(n), "outcome": "done"} for n in range(20))
    await asyncio.gather(*(each("probe revoked", facts) for facts in noted for each in (one.witness, two.witness)))
    await one.chain.sign_off()
    found = verify(read(await data(ModelStore(ground=ground))), KEYS)
    assert (found.records, found.checkpoints, found.findings) == (40, 1, ())


async def test_a_store_that_is_away_undoes_nothing_and_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = ModelStore()
    store.down = True
    await AuditWitness(Desk(store).chain)("probe revoked", {"actor_oid": "admin-3", "corr": "gen-1"})
    assert [(each.levelname, each.message) for each in caplog.records if each.levelname == "ERROR"] == [
        ("ERROR", "not in the audit: probe revoked")
    ]


@pytest.fixture
async def kept(tmp_path: Path) -> Path:
    """A store in a file with the life of one probe in its audit, signed."""
    path = tmp_path / "kept.sqlite3"
    async with SqliteStore(path) as store:
        desk = Desk(store)
        await desk.whole_life()
        await desk.chain.sign_off()
        await asyncio.to_thread((tmp_path / "audit.jsonl").write_bytes, await data(store))
    return tmp_path / "audit.jsonl"


async def test_the_command_finds_the_audit_of_probes_whole_and_sees_that_a_refusal_was_cut_out(kept: Path) -> None:
    whole = await _verified(kept)
    assert whole.stdout == "7 records in 1 chains, 1 checkpoints: whole.\n"
    await asyncio.to_thread(_without, kept, "bad-proof")
    assert (await _verified(kept)).stdout.startswith("gap: chain one, record 2: ")


def _without(path: Path, word: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if word not in json.loads(line).get("record", "")))


async def _verified(path: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bot", "audit", "verify", str(path), "--key", KEY.public.text]
    root = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ.get("PATH", "")}
    run = partial(subprocess.run, command, env=root, capture_output=True, text=True, timeout=60, check=False)
    return await asyncio.to_thread(run)
