"""`whysync probe check --record FILE`: what Windows really answers, kept so that the readers can be tested on it."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.clock import Clock
from bot.probe.agent_files import agent_config, local_agent, trace_files, trace_folder
from bot.probe.answers import HIDDEN, clean
from bot.probe.policy import RefusedPolicy
from bot.probe.powershell import PowerShell, PowerShellFailed, PowerShellGarbled, Script, answer_in
from bot.probe.powershell_json import ADDRESS, rows, stamp, word
from skills.facts.reading import child, guid

FORMAT: Final = 1
MOST_TEXT: Final = 2_000
MOST_LINES: Final = 300
OF_WINDOWS: Final = frozenset(
    {"nt authority", "nt service", "builtin", "nt task", "window manager", "font driver host"}
)
_DOMAIN_SID = re.compile(r"S-1-5-21-\d+-\d+-\d+")
Change = Callable[[str], str]


async def record(powershell: PowerShell | None, clock: Clock, file: Path, *, scrub: bool) -> None:
    """Writes a new file. Raises RefusedPolicy: nothing was written."""
    if powershell is None:
        raise RefusedPolicy(["--record: there is something to record only on Windows"])
    recording = await taken(powershell, clock, scrub=scrub)
    try:
        await asyncio.to_thread(_write, file, recording)
    except OSError as error:
        raise RefusedPolicy([f"--record: {file}: {error.strerror or error}"]) from error


def _write(file: Path, recording: dict[str, Any]) -> None:
    with file.open("x", encoding="utf-8", newline="\n") as opened:  # never over somebody's file
        opened.write(json.dumps(recording, indent=1) + "\n")


async def taken(powershell: PowerShell, clock: Clock, *, scrub: bool) -> dict[str, Any]:
    """Every script's own output and the ends of the agent's files; secrets are hidden always, names if asked."""
    scripts = {script.value: await _run(powershell, clock, script) for script in Script}
    files = await asyncio.to_thread(_files)
    host = child(child(scripts, Script.HOST.value), "output")
    told = {
        "recording": FORMAT,
        "constructed": False,
        "scrubbed": scrub,
        "machine": word(host, "name"),
        "os": word(host, "caption"),
        "build": ".".join(part for part in (word(host, "build"), word(host, "revision")) if part),
        "at": stamp(clock.now()),
        "scripts": scripts,
        "files": files,
    }
    hidden: dict[str, Any] = changed(told, hide)
    return scrubbed(hidden) if scrub else hidden


async def _run(powershell: PowerShell, clock: Clock, script: Script) -> dict[str, Any]:
    began = clock.monotonic()
    body = await _heard(powershell, script)
    return body | {"tookMs": round((clock.monotonic() - began) * 1000)}


async def _heard(powershell: PowerShell, script: Script) -> dict[str, Any]:
    try:
        output = await powershell.output_of(script)
    except PowerShellFailed as error:
        return {"error": str(error)}
    try:
        return {"output": answer_in(output)}
    except PowerShellGarbled as error:
        return {"error": str(error), "raw": output[:MOST_TEXT].decode("utf-8", errors="replace")}


def _files() -> dict[str, Any]:
    agent = local_agent()
    config = agent_config(agent.config)
    try:
        lines = [line for file in trace_files(trace_folder())[:1] for line in file.text.splitlines()]
    except OSError:
        lines = []
    return {"defaultProxy": config.default_proxy if config else None, "trace": lines[-MOST_LINES:]}


def hide(text: str) -> str:
    """Without what must not leave, but long enough to show the form of it."""
    return ADDRESS.sub(HIDDEN, clean(text[:MOST_TEXT]))


def changed(value: Any, change: Change) -> Any:
    """The same structure, every text of it changed."""
    match value:
        case str():
            return change(value)
        case Mapping():
            return {str(name): changed(each, change) for name, each in value.items()}
        case list():
            return [changed(each, change) for each in value]
    return value


# Names.


@dataclass(frozen=True, slots=True)
class StandIn:
    name: str
    other: str


def scrubbed(recording: dict[str, Any]) -> dict[str, Any]:
    """The server, its domain, its accounts and its tenant under other names, the same everywhere."""
    found = [*_machine_and_domain(recording), *_accounts(recording)]
    names = sorted(found, key=lambda each: len(each.name), reverse=True)  # the longer one first: it may hold the other

    others = {each.name.lower(): each.other for each in names}
    known = re.compile(
        rf"(?<![\w-])(?:{'|'.join(re.escape(each.name) for each in names) or '(?!)'})(?![\w-])", re.IGNORECASE
    )

    def change(text: str) -> str:
        return _DOMAIN_SID.sub("S-1-5-21-1-2-3", known.sub(lambda match: others[match[0].lower()], text))

    done: dict[str, Any] = changed(recording, change)
    return done


def _machine_and_domain(recording: dict[str, Any]) -> list[StandIn]:
    scripts = child(recording, "scripts")
    host, agent = (child(child(scripts, each.value), "output") for each in (Script.HOST, Script.AGENT))
    domain, tenant = word(host, "domain"), guid(agent.get("tenantId"))
    found = [StandIn(word(host, "name") or "", "SRV-A"), StandIn(tenant or "", "00000000-0000-4000-8000-000000000001")]
    if domain:
        components = ",".join(f"DC={part}" for part in domain.split("."))
        found += [StandIn(domain, "corp.example.com"), StandIn(components, "DC=corp,DC=example,DC=com")]
    return [each for each in found if each.name]


def _accounts(recording: dict[str, Any]) -> list[StandIn]:
    """Domains and accounts, where Windows writes them together; those of Windows itself keep their names."""
    scripts = child(recording, "scripts")
    gmsa, services = (child(child(scripts, each.value), "output") for each in (Script.GMSA, Script.SERVICES))
    told = [word(gmsa, "account"), *(word(each, "account") for each in rows(services, "services"))]
    told += [word(each, "name") for each in rows(gmsa, "hosts")]
    own = [each.split("\\", 1) for each in told if each and "\\" in each]
    domains = dict.fromkeys(domain for domain, _ in own if domain.lower() not in OF_WINDOWS)
    names = [name for domain, name in own if domain in domains]
    for text in texts(recording):
        names += [name for domain in domains for name in re.findall(rf"(?<!\w){re.escape(domain)}\\([\w.$-]+)", text)]
    return [
        *(StandIn(domain, f"DOM{number}") for number, domain in enumerate(domains, 1)),
        *(StandIn(name, f"account{n}") for n, name in enumerate(dict.fromkeys(each.rstrip("$") for each in names), 1)),
    ]


def texts(value: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from texts(each)
