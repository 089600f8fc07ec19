"""The simulated on-premises site: answers named checks from what the World says that each probe would see."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.clock import Clock
from bot.relay.client import CheckAnswer, ProbeContact
from skills.facts.ad import AdObject
from skills.facts.reading import moment, text

DIRECTORY_CHECKS = ("directory", "control")


class SimulatedProbes:
    """Probes as the bot sees them. A probe that is silent on both channels answers nothing."""

    def __init__(self, sites: list[dict[str, Any]], clock: Clock) -> None:
        self._sites = sites
        self._clock = clock

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return tuple(
            ProbeContact(
                text(site, "probe") or "?",
                _online(site, "relay"),
                _online(site, "fallback"),
                moment(site, "lastSeen"),
                text(site, "domain"),
                bool(site.get("agentHost")),
            )
            for site in self._sites
        )

    async def ask(self, check: str, args: Mapping[str, str], *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        reachable = (
            site
            for site in self._sites
            if (_online(site, "relay") or _online(site, "fallback")) and only in (None, text(site, "probe"))
        )
        answers = (self._answer(site, check, args) for site in reachable)
        return tuple(answer for answer in answers if answer)

    def _answer(self, site: dict[str, Any], check: str, args: Mapping[str, str]) -> CheckAnswer | None:
        checks = site.get("checks") or {}
        if checks.get(check) is None:
            return None
        body = checks[check] if _is_answer(checks[check]) else {"ok": True, "data": checks[check]}
        data = body.get("data")
        return CheckAnswer(
            probe=text(site, "probe") or "?",
            check=check,
            ok=body.get("ok"),
            at=moment(body, "at") or self._now(),
            identity=text(body, "as"),
            data=_looked_up(data, args) if check == "directory" else data,
            error=text(body, "error"),
            agent_host=bool(site.get("agentHost")),
        )

    def _now(self) -> datetime:
        return self._clock.now()


def _online(site: Mapping[str, Any], channel: str) -> bool:
    return str(site.get(channel, "online")).lower() == "online"


def _is_answer(check: Any) -> bool:
    return isinstance(check, dict) and "ok" in check


def _looked_up(data: Any, args: Mapping[str, str]) -> Any:
    """Only the objects that bear the name asked for: a directory answers a query, not with all it holds."""
    if isinstance(data, list):
        return [_looked_up(look, args) for look in data]
    if not isinstance(data, dict) or not args.get("text"):
        return data
    held = data.get("objects")
    objects = [item for item in held if isinstance(item, dict)] if isinstance(held, list) else []
    return {**data, "query": args["text"], "objects": [item for item in objects if _bears(item, args["text"])]}


def _bears(item: dict[str, Any], name: str) -> bool:
    found = AdObject.from_probe(item)
    names = {found.dn, found.guid, found.sam, found.upn, found.mail, found.display_name, found.anchor}
    names |= {found.attribute("employeeID"), found.attribute("objectSid"), found.attribute("cn"), text(item, "cn")}
    return name.lower() in {str(each).lower() for each in names if each} | found.addresses
