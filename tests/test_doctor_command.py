"""`whysync doctor`: with nothing taken away nothing is missing; each piece taken away is named, and no other."""

import os
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.doctor.command import doctor
from skills.acts import ACTIONS
from skills.permissions import PERMISSIONS, Permission
from skills.selftest import tenant_checks
from tests.bot.doctor_site import (
    EVERY,
    POLICY,
    Ended,
    Site,
    another_door,
    bearer,
    bots_door,
    certificate,
    good_site,
    serving,
)

HONEST = {"log.kept", "policy.doubts", "policy.approvers"}
"""What is said of the demo's own tenant and policy even when nothing is wrong."""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with good_site(tmp_path) as made:
        yield made


class Here:
    """The command in this process, asked for JSON: as the program, and quicker."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._site, self._monkeypatch, self._capsys = site, monkeypatch, capsys

    async def __call__(self, **changes: str | None) -> Ended:
        for name in [name for name in os.environ if name.startswith("WHYSYNC_")]:
            self._monkeypatch.delenv(name)
        for name, value in self._site.environment(**changes).items():
            self._monkeypatch.setenv(name, value)
        code = await doctor(tenant_checks, {each.op: each for each in ACTIONS}, as_json=True)
        told = self._capsys.readouterr()
        return Ended(code, told.out, told.err)


@pytest.fixture
def here(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(site, monkeypatch, capsys)


# As a program of its own.


async def test_with_nothing_taken_away_nothing_is_missing(site: Site) -> None:
    ended = await site.process("--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.ids("missing") == set()
    assert ended.ids("degraded") == HONEST
    assert ended.document["counts"]["ok"] >= 30
    assert site.graph.writes == []
    assert ended.out.count("\n") == 1


async def test_people_read_it_in_eighty_columns_grouped_and_without_colours(site: Site) -> None:
    ended = await site.process(SERVICEBUS=None)
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "\x1b" not in ended.out
    groups = [line for line in ended.out.splitlines() if re.fullmatch(r"[A-Z][A-Za-z -]+", line)]
    assert groups[:3] == ["Settings", "Sign-in and permissions", "Tenant"]
    states = {line[:12] for line in ended.out.splitlines() if line.startswith("  ") and line[2] != " "}
    assert states == {"  ok        ", "  degraded  "}
    assert "Lost: there can be no probes" in " ".join(ended.out.split())


async def test_what_misses_ends_in_one_and_tells_the_command_that_mends_it(site: Site) -> None:
    site.graph.granted = EVERY - {"Domain.Read.All"}
    ended = await site.process(GRAPH_TOKEN=bearer(EVERY))
    assert ended.code == 0, "the token names it, so that Graph is at odds with itself"
    site.graph.token = bearer(site.graph.granted)
    ended = await site.process(GRAPH_TOKEN=bearer(site.graph.granted))
    assert ended.code == 1
    told = " ".join(ended.out.split())
    assert "missing Domain.Read.All: Microsoft Graph refuses the call that needs it (403)." in told
    assert "Fix: infra/azure/grant.ps1 -PrincipalId 5eef (docs/install.md)." in told
    assert told.endswith("a user name in a domain that nobody verified is not noticed.")


async def test_no_secret_is_written(site: Site) -> None:
    ended = await site.process("--json")
    key = re.search(r"SharedAccessKey=([^;]+)", site.settings["SERVICEBUS"] or "")
    assert key
    assert key[1] not in ended.out
    assert bearer(EVERY) not in ended.out


# Piece by piece.


@pytest.mark.parametrize("each", PERMISSIONS, ids=lambda each: each.name)
async def test_each_permission(each: Permission, site: Site, here: Here, tmp_path: Path) -> None:
    covered = each.name == "Synchronization.Read.All"  # the right to write jobs is one to read them as well
    left = frozenset(p.name for p in PERMISSIONS if not (covered and p.full_only)) - {each.name}
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.read_text() + ("[actions]\nread_only = true\n" if covered else ""), encoding="utf-8")
    site.graph.granted, site.graph.token = left, bearer(left)
    ended = await here(GRAPH_TOKEN=bearer(left), POLICY=str(policy))
    line = ended.line(f"permission.{each.name}")
    assert ended.ids("missing") == (set() if each.optional else {line["id"]})
    assert line["state"] == ("degraded" if each.optional else "missing")
    assert ended.code == (0 if each.optional else 1)


async def test_the_token(site: Site, here: Here) -> None:
    ended = await here(GRAPH_TOKEN="another")
    assert ended.line("permission.User.Read.All")["state"] == "degraded"
    assert "does not accept the bot's token" in ended.line("permission.User.Read.All")["says"]


async def test_the_relay(site: Site, here: Here) -> None:
    await site.relay.go_down()
    ended = await here()
    assert (ended.code, ended.ids("missing")) == (1, {"relay"})
    assert "TCP 443" in ended.line("relay")["fix"]


async def test_a_relay_that_takes_messages_and_gives_none_back(site: Site, here: Here) -> None:
    site.relay.broker.remove_queue("canary")
    ended = await here()
    assert ended.ids("missing") == {"relay"}
    assert "canary" in ended.line("relay")["fix"]


async def test_a_store_that_cannot_be_opened(here: Here, tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    ended = await here(STORE=f"sqlite:///{target}")
    assert ended.ids("missing") == {"store"}
    assert str(target) in ended.line("store")["fix"]


async def test_a_store_whose_emulator_is_stopped(here: Here) -> None:
    ended = await here(STORE="http://127.0.0.1:9/devstoreaccount1")
    assert ended.ids("missing") == {"store"}
    assert "Start the emulator" in ended.line("store")["fix"]


async def test_a_store_that_is_not_there_yet_is_not_made(here: Here, tmp_path: Path) -> None:
    ended = await here(STORE=f"sqlite:///{tmp_path / 'later.sqlite3'}")
    assert ended.line("store")["state"] == "degraded"
    assert not (tmp_path / "later.sqlite3").exists()


async def test_a_signing_key_that_is_gone(here: Here, tmp_path: Path) -> None:
    ended = await here(SIGNING_KEY=str(tmp_path / "gone.key"))
    assert ended.ids("missing") == {"setting.WHYSYNC_SIGNING_KEY"}
    assert ended.line("permission.User.Read.All")["state"] == "ok"


async def test_a_signing_key_that_is_not_set(here: Here) -> None:
    ended = await here(SIGNING_KEY=None)
    assert ended.ids("missing") == {"setting.WHYSYNC_SIGNING_KEY"}


async def test_a_signing_key_that_others_can_read(site: Site, here: Here) -> None:
    site.key.chmod(0o644)
    ended = await here()
    assert ended.ids("missing") == {"setting.WHYSYNC_SIGNING_KEY"}
    assert "can be read by others; chmod 600 it" in ended.line("setting.WHYSYNC_SIGNING_KEY")["says"]


async def test_a_signing_key_that_is_none(site: Site, here: Here) -> None:
    site.key.write_text("no key at all", encoding="ascii")
    assert (await here()).ids("missing") == {"key.signing"}


async def test_a_policy_that_is_not_there(here: Here, tmp_path: Path) -> None:
    ended = await here(POLICY=str(tmp_path / "gone.toml"))
    assert ended.ids("missing") == {"policy"}
    ended = await here(POLICY=None)
    assert ended.ids("missing") == {"policy"}
    assert "WHYSYNC_POLICY" in ended.line("policy")["fix"]


async def test_a_policy_with_mistakes(here: Here, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[roles]\nadmin = { everyone = true }\nroot = {}\n", encoding="utf-8")
    ended = await here(POLICY=str(path))
    assert ended.ids("missing") == {"policy"}
    assert ended.line("policy")["fix"] == f"whysync policy check {path}"
    assert "(and 2 more)" in ended.line("policy")["says"]


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (60, "degraded"), (-60, "degraded"), (400, "missing")])
async def test_the_clock(ahead: float, state: str, site: Site, here: Here) -> None:
    site.graph.faults.clock_ahead = ahead
    ended = await here()
    assert ended.line("clock")["state"] == state
    assert ended.ids("missing") == ({"clock"} if state == "missing" else set())
    assert ("behind" in ended.line("clock")["says"]) == (ahead > 0)


async def test_a_public_address_that_nobody_answers(here: Here) -> None:
    ended = await here(PUBLIC_URL="http://127.0.0.1:9")
    assert ended.ids("missing") == {"public-url"}


async def test_a_public_address_that_is_somebody_elses(here: Here) -> None:
    async with serving(another_door()) as url:
        ended = await here(PUBLIC_URL=url)
    assert ended.ids("missing") == {"public-url", "messages"}


@pytest.mark.parametrize(
    ("ends", "state"), [(-1, "missing"), (5, "degraded"), (200, "ok")], ids=["expired", "soon", "good"]
)
async def test_the_certificate_of_the_public_address(
    ends: int, state: str, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate(tmp_path, timedelta(days=ends, hours=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with serving(bots_door(), context) as url:
        ended = await here(PUBLIC_URL=url)
    assert ended.line("certificate")["state"] == state
    assert ended.ids("missing") == ({"certificate"} if state == "missing" else set())
    assert (ends > 0) or "expired" in ended.line("certificate")["says"]


# Settings.


async def test_every_refused_setting_is_named_and_the_rest_is_looked_at(here: Here) -> None:
    ended = await here(PORT="x", POLCY="x")
    assert ended.ids("missing") == {"setting.WHYSYNC_PORT", "setting.WHYSYNC_POLCY"}
    assert ended.line("permission.User.Read.All")["state"] == "ok"


async def test_where_it_is_not_clear_whom_to_ask_nobody_is_asked(site: Site, here: Here) -> None:
    ended = await here(GRAPH_URL="http://10.0.0.1")
    assert ended.ids("missing") >= {"setting.WHYSYNC_GRAPH_URL"}
    assert "a setting that says where" in ended.line("permission.User.Read.All")["says"]
    assert site.graph.requests == []
