"""Check `agent`: what is installed, for which tenant, with which certificate and proxy, and which hosts it talks to."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.probe.agent_files import AgentConfig, LocalAgent, Trust, agent_config, agent_trust, local_agent
from bot.probe.checks.asking import asked, with_notes
from bot.probe.checks.proxy import without_secret
from bot.probe.powershell import Script
from bot.probe.powershell_json import instant, rows, stamp, word, words
from bot.probe.reach import Observed, ProbeReach
from skills.facts.reading import Json, flag, guid

NAMES: Final = ("provisioning agent", "aadconnectprovisioningagent")
TOLD_PROXY: Final = ("enabled", "useDefaultCredentials", "usesystemdefault", "proxyaddress", "bypassonlocal")
ELSEWHERE: Final = "the agent's certificate is not in the machine's store but in that of its account, unseen from here"


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """What the agent's files tell, beside what the registry and the stores of Windows do."""

    local: LocalAgent
    config: AgentConfig | None = None
    trust: Trust | None = None


async def agent(reach: ProbeReach) -> Observed:
    if reach.powershell is None:
        return await asked(reach, Script.AGENT, lambda _: Observed(None, None))
    files = await asyncio.to_thread(_files)
    return await asked(reach, Script.AGENT, lambda body: read_agent(body, files))


def _files() -> AgentFiles:
    local = local_agent()
    return AgentFiles(local, agent_config(local.config), agent_trust())


def read_agent(body: dict[str, Any], files: AgentFiles) -> Observed:
    installed = word(body, "program") is not None or files.local.installed
    if not installed and not flag(body, "registered"):
        return Observed(True, with_notes({"installed": False}, body))
    certificate = _certificate(body, files.trust)
    unseen = certificate is None and files.trust is not None
    data = {
        "installed": installed,
        "version": _version(word(body, "version")),
        "installedAt": stamp(_installed_at(body)),
        "tenantId": guid(body.get("tenantId")) or files.local.tenant,
        "domains": words(body, "domains"),
        "config": _config(files.config),
        "certificate": certificate,
        "preferredDcs": words(body, "preferredDcs"),
        "serviceBusHosts": list(files.local.service_buses),
        "registrationHosts": list(files.local.registrations),
        "extension": word(body, "extension"),
        "ldapTimeoutMs": word(body, "ldapTimeout"),
        "referralChasing": word(body, "referrals"),
        "programs": [word(each, "name") for each in rows(body, "programs")],
    }
    notes = [*words(body, "notes"), *([ELSEWHERE] if unseen else [])]
    return Observed(True, with_notes(data, body | {"notes": notes}))


def _version(text: str | None) -> str | None:
    """File versions may carry words behind the numbers."""
    return text.split()[0] if text else None


def _installed_at(body: Json) -> datetime | None:
    """The program file's birth, unless the set-up noted a later day: an upgrade may keep the file's birth."""
    born, noted = instant(body, "programCreated"), _noted_day(body)
    if born and noted:
        return noted if noted - born > timedelta(days=1) else born
    return born or noted


def _noted_day(body: Json) -> datetime | None:
    days = [_day(word(each, "installed")) for each in rows(body, "programs") if _is_agent(word(each, "name") or "")]
    return max((day for day in days if day), default=None)


def _is_agent(name: str) -> bool:
    return any(part in name.lower() for part in NAMES)


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _config(config: AgentConfig | None) -> dict[str, Any]:
    if config is None:
        return {"modifiedAt": None, "defaultProxy": None}
    return {"modifiedAt": stamp(config.modified), "defaultProxy": _proxy(config.default_proxy)}


def _proxy(setting: dict[str, str] | None) -> dict[str, str] | None:
    if setting is None or setting.get("enabled", "").lower() == "false":
        return None
    told = {name: without_secret(value) for name, value in setting.items() if name in TOLD_PROXY}
    return told or None


def _certificate(body: Json, trust: Trust | None) -> dict[str, Any] | None:
    """The one that the agent's own note names; without a note the one that is valid longest of those it could be.

    A note that names none of them is not overruled: the old one in the machine's store has ended, the new one has not.
    """
    found = rows(body, "certificates")
    if trust:
        found = [each for each in found if (word(each, "thumbprint") or "").upper() == trust.thumbprint]
    dated = [(until, each) for each in found if (until := instant(each, "notAfter"))]
    if not dated:
        return None
    until, best = max(dated, key=lambda each: each[0])
    return {"subject": word(best, "subject"), "issuer": word(best, "issuer"), "notAfter": stamp(until)}
