"""The simulated on-premises site: answers named checks from what the World says that each probe would see."""

from collections.abc import Mapping
from typing import Any

from bot.clock import Clock
from bot.probe.allowed import CHECKS, NOT_HERE, Args, Operation
from bot.probe.reach import Observed, ProbeReach
from bot.relay.client import CheckAnswer, ProbeContact
from skills.facts.ad import AdObject
from skills.facts.reading import moment, text

NAMED_BY = {"directory": frozenset({"kind", "text"}), "containers": frozenset({"dns"}), "acl": frozenset({"dn"})}
"""The arguments of a request, for the checks that are about objects."""


class SimulatedSite:
    """One server of the site, as a probe on it would see it."""

    def __init__(self, site: Mapping[str, Any]) -> None:
        self._site = site
        self.name = text(site, "probe") or "?"
        self.domain = text(site, "domain")
        self.agent_host = bool(site.get("agentHost"))
        self._checks: Mapping[str, Any] = site.get("checks") or {}

    def online(self, channel: str) -> bool:
        return str(self._site.get(channel, "online")).lower() == "online"

    @property
    def identity(self) -> str:
        """The account that a check ran as."""
        return next((name for check in self._checks if (name := text(self._body(check) or {}, "as"))), "unknown")

    def answer(self, check: str, args: Mapping[str, str]) -> Mapping[str, Any] | None:
        """As the case file has it; None for a check that could not be run there."""
        body = self._body(check)
        if body is None or check != "directory":
            return body
        return {**body, "data": _looked_up(body.get("data"), args)}

    def operations(self) -> dict[str, Operation]:
        """The probe's own table of checks, answered from here."""
        return {check: Operation(self._observing(check), NAMED_BY.get(check, frozenset())) for check in _named()}

    def contact(self) -> ProbeContact:
        return ProbeContact(
            self.name,
            self.online("relay"),
            self.online("fallback"),
            moment(self._site, "lastSeen"),
            self.domain,
            self.agent_host,
        )

    def _body(self, check: str) -> Mapping[str, Any] | None:
        found = self._checks.get(check)
        if found is None:
            return None
        return found if isinstance(found, dict) and "ok" in found else {"ok": True, "data": found}

    def _observing(self, check: str) -> Any:
        async def observe(_: ProbeReach, args: Args) -> Observed:
            body = self.answer(check, args)
            if body is None:
                return Observed(None, None, "this check cannot be run on this server")
            return Observed(body.get("ok"), body.get("data"), text(body, "error"))

        return observe


class SimulatedProbes:
    """Probes as the bot sees them, without a wire. One that is silent on both channels answers nothing."""

    def __init__(self, sites: list[dict[str, Any]], clock: Clock) -> None:
        self._sites = [SimulatedSite(site) for site in sites]
        self._clock = clock

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return tuple(site.contact() for site in self._sites)

    async def ask(self, check: str, args: Mapping[str, str], *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        reachable = (site for site in self._sites if site.online("relay") or site.online("fallback"))
        wanted = (site for site in reachable if only in (None, site.name))
        answers = (self._answer(site, check, args) for site in wanted)
        return tuple(answer for answer in answers if answer)

    def _answer(self, site: SimulatedSite, check: str, args: Mapping[str, str]) -> CheckAnswer | None:
        body = site.answer(check, args)
        if body is None:
            return None
        return CheckAnswer(
            probe=site.name,
            check=check,
            ok=body.get("ok"),
            at=moment(body, "at") or self._clock.now(),
            identity=text(body, "as"),
            data=body.get("data"),
            error=text(body, "error"),
            agent_host=site.agent_host,
        )


def _named() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*CHECKS, *NOT_HERE)))


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
