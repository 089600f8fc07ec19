"""How the probe gets to its controllers, what it does when they are not there, and what it remembers and counts."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from samba_site import DEAD, IMPOSTOR, JANE, LOST, REALM, ROOT, SALES, STAFF, Names, SambaSite, needs_samba

from bot.probe.directory.ldap import ldap3
from bot.probe.directory.looking import find_elsewhere
from bot.probe.directory.memory import ContainerMemory
from bot.probe.directory.settings import Security
from bot.relay.client import CheckAnswer
from skills.facts.site import Directory, site_fact

needs_samba()

WHO = {"kind": "sAMAccountName", "text": "jdoe"}


# Ways in


@pytest.mark.parametrize("security", [Security.LDAPS, Security.STARTTLS])
async def test_a_password_goes_over_tls(site: SambaSite, security: Security) -> None:
    assert (await site.ask("directory", WHO, security=security)).ok is True


async def test_a_password_never_goes_over_an_open_connection(site: SambaSite) -> None:
    if site.domain.first.address == "127.0.0.1":
        pytest.skip("to this machine itself it may")
    seen = await site.ask("directory", WHO, security=Security.NONE)
    assert seen.ok is None
    assert "open connection" in (seen.error or "")


SIGN_IN: dict[str, tuple[dict[str, Any], str]] = {
    "wrong password": ({"user": f"jdoe@{REALM}"}, "password is wrong"),
    "strange authority": ({"ca": None}, "not trusted"),
    "another machine": ({"controllers": (IMPOSTOR,)}, "another name"),
    "nobody listens": ({"controllers": (DEAD,)}, "refused"),
    "no name": ({"controllers": (f"dc7.{REALM}",)}, "leads nowhere"),
}


@pytest.mark.parametrize(("changes", "said"), SIGN_IN.values(), ids=SIGN_IN)
async def test_why_no_controller_lets_the_probe_in_is_said(site: SambaSite, changes: dict[str, Any], said: str) -> None:
    seen = await site.ask("directory", WHO, **changes)
    assert seen.ok is None
    assert said in (seen.error or "")


async def test_without_a_user_the_identity_of_the_process_is_used_or_its_lack_said(site: SambaSite) -> None:
    seen = await site.ask("directory", WHO, user=None, password=None)
    assert seen.ok is None
    assert "own identity" in (seen.error or "")


async def test_a_controller_that_is_silent_or_dead_costs_its_own_row_and_not_the_answer(site: SambaSite) -> None:
    began = time.monotonic()
    seen = await site.ask("directory", WHO, controllers=(DEAD, LOST, site.domain.first.host))
    assert time.monotonic() - began < 6
    assert seen.ok is True
    rows = {look["dc"]: (bool(look["objects"]), look["error"]) for look in seen.data}
    assert rows[site.domain.first.host] == (True, None)
    assert not rows[DEAD][0]
    assert "refused" in rows[DEAD][1]
    assert rows[LOST][1]


async def test_a_server_that_accepts_and_says_nothing_is_given_up(site: SambaSite) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    reach = site.reach(step=1.0)
    assert reach.domain is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bot.probe.directory.session.LDAPS", server.sockets[0].getsockname()[1])
        names = Names({site.domain.first.host: "127.0.0.1"})
        began = time.monotonic()
        seen = await site.ask("directory", WHO, names=names)
    assert (seen.ok, time.monotonic() - began < 5) == (None, True)
    server.close()
    await server.wait_closed()


async def test_looking_does_not_hold_up_the_loop(site: SambaSite) -> None:
    asked = asyncio.create_task(site.ask("directory", WHO))
    longest, last = 0.0, time.monotonic()
    while not asked.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert (await asked).ok is True
    assert longest < 0.5


async def test_a_look_that_is_cancelled_cuts_its_connection(site: SambaSite) -> None:
    reach = site.reach()
    assert reach.domain is not None
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def endless(session: Any) -> None:
        until = time.monotonic() + 6
        try:
            while time.monotonic() < until:
                session.read(ROOT, ("objectSid",))
        finally:
            loop.call_soon_threadsafe(ended.set_result, None)

    task = asyncio.create_task(reach.domain.at_first(endless))
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.wait([task])
    async with asyncio.timeout(3):
        await ended


# Which controllers there are


async def test_the_controllers_are_those_that_dns_names_for_the_domain(site: SambaSite) -> None:
    names = site.names
    names.services = (site.domain.first.host, "dc1.elsewhere.example")
    seen = await site.ask("directory", WHO, controllers=(), names=names)
    assert seen.ok is True
    assert names.asked == [f"_ldap._tcp.dc._msdcs.{REALM}"]
    assert {look["dc"] for look in seen.data} == {site.domain.first.host}


async def test_where_dns_names_none_whoever_answers_to_the_domain_is_asked_who_it_is(site: SambaSite) -> None:
    names = site.names
    names.held[REALM] = site.domain.first.address
    seen = await site.ask("directory", WHO, controllers=(), names=names)
    assert {look["dc"] for look in seen.data} == {site.domain.first.host}


async def test_no_controller_at_all_is_said(site: SambaSite) -> None:
    for check, args in (("directory", WHO), ("controllers", None), ("control", None)):
        seen = await site.ask(check, args, controllers=())
        assert (seen.ok, seen.data) == (None, None)
        assert "DNS names none" in (seen.error or "")


async def test_the_ports_and_the_site_of_each_controller_are_told(site: SambaSite) -> None:
    seen = await site.ask("controllers", controllers=(site.domain.first.host, DEAD))
    rows = {row["dc"]: row for row in seen.data}
    good, dead = rows[site.domain.first.host], rows[DEAD]
    assert good["site"] == "Default-First-Site-Name"
    assert {good["ports"][port] for port in ("88", "135", "389", "636", "3268")} == {"ok"}
    assert good["ports"]["445"] == "refused", "this Samba shares no files"
    assert {*dead["ports"].values()} == {"refused"}
    assert seen.ok is False


# Several controllers


async def test_what_only_one_controller_knows_is_told_for_each_of_them(site: SambaSite) -> None:
    second = site.second()
    both = (site.domain.first.host, second.host)
    same = await site.ask("directory", WHO, controllers=both)
    assert {look["dc"] for look in same.data} == {site.domain.first.host}, "they agree, so one speaks for both"

    new = f"CN=New Hire,{STAFF}"
    site.write(lambda connection: bool(connection.add(new, "user", {"sAMAccountName": "newhire"})))
    seen = await site.ask("directory", {"kind": "sAMAccountName", "text": "newhire"}, controllers=both)
    own = {look["dc"]: len(look["objects"]) for look in seen.data if look["as"] == "probe"}
    assert own == {site.domain.first.host: 1, second.host: 0}

    changed = {"displayName": [(ldap3.MODIFY_REPLACE, ["Jane Roe"])]}
    site.write(lambda connection: bool(connection.modify(JANE, changed)))
    seen = await site.ask("directory", WHO, controllers=both)
    told = {look["dc"]: look["objects"][0]["displayName"] for look in seen.data if look["as"] == "probe"}
    assert told == {site.domain.first.host: "Jane Roe", second.host: "Jane Doe"}
    answer = CheckAnswer("A", "directory", True, site.reach().clock.now(), None, seen.data, None)
    assert len(site_fact(Directory, [answer]).seen[0].value) == len(seen.data)


async def test_the_global_catalog_finds_who_lives_in_another_domain(site: SambaSite) -> None:
    """There is one domain here: the forest is told that its own lies elsewhere."""
    from dataclasses import replace

    from bot.probe.directory.asking import parse_query

    reach = site.reach()
    assert reach.domain is not None
    forest, names = await reach.domain.at_first(reach.domain.forest)
    abroad = replace(forest, domain_dn="DC=emea,DC=contoso,DC=com")
    (controller,) = (await reach.domain.whereabouts()).controllers
    query = parse_query({"kind": "proxy", "text": "smtp:jd@contoso.com"})
    for where, expected in ((abroad, [JANE]), (forest, [])):
        found = await reach.domain.at(
            controller, lambda session, where=where: find_elsewhere(session, query, where, names), catalog=True
        )
        assert [each.dn for each in found] == expected


# Renamed containers


async def test_a_renamed_container_is_recognized_by_what_the_probe_remembers(site: SambaSite, tmp_path: Path) -> None:
    file = tmp_path / "containers.json"
    await site.ask("containers", {"dns": SALES}, memory=ContainerMemory(file))
    renamed = f"OU=Vertrieb\\, Süd,{ROOT}"
    site.write(lambda connection: bool(connection.modify_dn(SALES, "OU=Vertrieb\\, Süd")))
    try:
        (row,) = (await site.ask("containers", {"dns": SALES}, memory=ContainerMemory(file))).data
        assert (row["exists"], row["renamedTo"]) == (False, renamed)
        (row,) = (await site.ask("containers", {"dns": SALES})).data
        assert (row["exists"], row["renamedTo"]) == (False, None), "a probe that never saw it cannot know"
    finally:
        site.write(lambda connection: bool(connection.modify_dn(renamed, "OU=Sales")))


async def test_without_names_the_containers_of_the_policy_file_are_looked_at(site: SambaSite) -> None:
    assert [row["dn"] for row in (await site.ask("containers", containers=(STAFF,))).data] == [STAFF]
    assert (await site.ask("containers")).ok is None


@pytest.mark.parametrize(
    "text",
    ["Staff", "OU=a,DC=other,DC=com", "\n".join(f"OU={n},{ROOT}" for n in range(61)), f"OU={'x' * 2048},{ROOT}", "*"],
    ids=["no name", "elsewhere", "too many", "too long", "wildcard"],
)
async def test_containers_that_are_none_are_not_looked_for(site: SambaSite, text: str) -> None:
    seen = await site.ask("containers", {"dns": text})
    assert (seen.ok, seen.data) == (None, None)
