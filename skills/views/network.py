"""The network card: per server what it reaches and what not, direct beside the proxy, in words and signs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.answering import Answer, Case
from bot.cards.elements import Element, Tone, card, fold, labelled, line, run, table, title
from bot.evidence import Evidence
from skills.facts.site import Proxy, ServerClock
from skills.facts.site_records import ProxyResult
from skills.facts.subject import Subject
from skills.reachability import WELL, HostLine, host_lines, in_words
from skills.rules.channel_state import same_machine
from skills.rules.reached import APEXES
from skills.seen import seen_by
from skills.server_verdict import Topic, judge_servers, seen_probes
from skills.servers import NETWORK
from skills.views.parts import foot_of, some
from skills.views.servers import BAD, GOOD, NOT_TRIED, aboutless, each_probe, glued, offers_of, servers_answer
from skills.views.verdict import answer_with

SHOWN_BAD = 8
SHOWN_NAMES = 30
SKEW = 300
"""Seconds, as Kerberos and the signatures of the service have it."""
NO_HOST = "is no host but the parent of many: that it does not answer means nothing, so its children are tested."
NOT_TESTED = "was not tested: a probe touches only the hosts on the list of its own server."


def failures(evidence: Evidence, probe: str) -> Sequence[str]:
    bad = [f"{each.host}:{each.port} {in_words(each.worst)}" for each in host_lines(evidence, probe) if not each.well]
    skew = _skew(evidence, probe)
    return [*bad, *([f"its clock is {skew:+d} s off"] if skew is not None and abs(skew) > SKEW else [])]


TOPIC = Topic("the network of {}", frozenset({"network"}), NETWORK[:5], ("dns", "tcp", "tls", "websocket"), failures)


def network_answer(case: Case[Subject]) -> Answer:
    host = _asked_host(case)
    return _about_host(case, host) if host else servers_answer(case, TOPIC, per_server, "test the network from")


def _asked_host(case: Case[Subject]) -> str | None:
    """The host that the question names beside the server, if it does."""
    host = (case.ask.slots.domain or "").lower().rstrip(".")
    own = not host or case.subject.candidates or same_machine(host, case.subject.probe or "")
    return None if own else host


def _about_host(case: Case[Subject], host: str) -> Answer:
    """It is looked up among what was tested, and never tested for being named."""
    verdict, probes = judge_servers(case, TOPIC), seen_probes(case.evidence, NETWORK)
    lines = [(probe, each) for probe in probes for each in host_lines(case.evidence, probe) if each.host == host]
    if lines:
        well = all(each.well for _, each in lines)
        headline = f"{host} answers." if well else f"{host} does not answer: {in_words(lines[0][1].worst)}."
        word, tone = ("Reached", Tone.GOOD) if well else ("Not reached", Tone.ATTENTION)
    else:
        why = NO_HOST if host in APEXES else NOT_TESTED
        headline, word, tone = f"{host} {why}", "Not tested", Tone.WARNING
    body = [
        title(headline, state=word, tone=tone),
        *glued([labelled(probe, _all_steps(each)) for probe, each in lines]),
        *([] if lines else _whole_list(case.evidence, probes)),
        labelled("Of all that was tested", run(verdict.headline, most=400)),
        *glued([*each_probe(case, TOPIC, per_server)]),
        *foot_of(case),
    ]
    verdict = replace(verdict, headline=headline) if not verdict.causes else verdict
    return aboutless(answer_with(verdict, card(body, headline), offers_of(case, verdict)), {"asked": headline})


def _whole_list(evidence: Evidence, probes: Sequence[str]) -> list[Element]:
    tested = dict.fromkeys(f"{each.host}:{each.port}" for probe in probes for each in host_lines(evidence, probe))
    return [labelled("On the list", run(some([*tested], SHOWN_NAMES), most=1500))] if tested else []


def per_server(evidence: Evidence, probe: str) -> list[Element]:
    lines = host_lines(evidence, probe)
    shown = [each for each in lines if not each.well or each.differs]
    fine = [each for each in lines if each not in shown]
    body: list[Element] = [_hosts_table(shown[:SHOWN_BAD])] if shown else []
    if len(shown) > SHOWN_BAD:
        rest = [f"{each.host}:{each.port} {in_words(each.worst)}" for each in shown[SHOWN_BAD:]]
        body.append(line(run(f"{BAD} and {some(rest, 6, '; ')}", most=500)))
    body += _issuers(shown)
    if fine:
        body += fold(f"fine-{probe}".lower(), _fine(fine, bool(shown)), _names(fine))
    return [*body, *_clock(evidence, probe), *_proxy(evidence, probe)]


def _fine(fine: Sequence[HostLine], others: bool) -> str:
    tested = [name for name, there in (("TLS", any(dict(each.beyond).get("TLS") for each in fine)),) if there]
    which = "other host" if others else "host"
    many = f"{len(fine)} {which}{'s' if len(fine) != 1 else ''}"
    return f"{GOOD} {many} fine: name, port{', ' + tested[0] if tested else ''}"


def _names(fine: Sequence[HostLine]) -> list[Element]:
    by_port: dict[int, list[str]] = {}
    for each in fine:
        by_port.setdefault(each.port, []).append(each.host)
    return [labelled(f"Port {port}", run(some(names, SHOWN_NAMES), most=1500)) for port, names in by_port.items()]


def _hosts_table(lines: Sequence[HostLine]) -> Element:
    """Direct and by proxy stand side by side where both were tried."""
    if any(each.proxied for each in lines):
        rows = [(_host(each), _way(each.name, each.direct), _way(None, each.proxied), _beyond(each)) for each in lines]
        return table(("Host", "Direct", "By proxy", "Beyond"), rows, [4, 3, 3, 3])
    if all(each.way not in (None, WELL) for each in lines):
        rows2 = [(_host(each), _way(each.name, each.direct)) for each in lines]
        return table(("Host", "Name, port"), rows2, [5, 4])
    rows3 = [(_host(each), _way(each.name, each.direct), _beyond(each)) for each in lines]
    return table(("Host", "Name, port", "Beyond"), rows3, [5, 3, 3])


def _host(each: HostLine) -> str:
    return f"{each.host}:{each.port}"


def _way(name: str | None, port: str | None) -> str:
    told = [] if name is None else [_step("name", name)]
    return " ".join([*told, _step("port", port) if port else f"{NOT_TRIED} port"])


def _beyond(each: HostLine) -> str:
    """What comes after the port; where that is shut nothing else is worth a word."""
    if each.way not in (None, WELL):
        return f"{NOT_TRIED} not reached"
    return " ".join(_step(name, told) for name, told in each.beyond) or NOT_TRIED


def _step(name: str, told: str) -> str:
    return f"{GOOD} {name}" if told == WELL else f"{BAD} {name}: {in_words(told)}"


def _all_steps(each: HostLine) -> str:
    ways = [_way(each.name, each.direct)] if each.direct or each.name else []
    ways += [f"by proxy {_step('port', each.proxied)}"] if each.proxied else []
    return " ".join([*ways, _beyond(each)])


def _issuers(lines: Sequence[HostLine]) -> Iterator[Element]:
    """Whoever stands in the middle shows its own certificate."""
    by_issuer: dict[str, list[str]] = {}
    for each in lines:
        if each.issuer:
            by_issuer.setdefault(each.issuer, []).append(each.host)
    for issuer, hosts in by_issuer.items():
        yield labelled("Certificate by", run(issuer), f", neither Microsoft nor DigiCert: {some(hosts, 3)}")


def _skew(evidence: Evidence, probe: str) -> int | None:
    return next((each.value.skew_s for each in seen_by(evidence, probe, ServerClock)), None)


def _clock(evidence: Evidence, probe: str) -> Iterator[Element]:
    skew = _skew(evidence, probe)
    if skew is not None:
        sign = GOOD if abs(skew) <= SKEW else BAD
        way = "ahead of" if skew > 0 else "behind"
        yield labelled("Clock", f"{sign} {'right' if abs(skew) < 2 else f'{abs(skew)} s {way} the web servers'}")


def _proxy(evidence: Evidence, probe: str) -> Iterator[Element]:
    for each in seen_by(evidence, probe, Proxy):
        yield labelled("Proxy", proxies(each.value))


def proxies(told: ProxyResult) -> str:
    known = (("agent", told.agent), ("WinHTTP", told.win_http), ("environment", told.environment))
    named = [f"{name} {address}" for name, address in known if address]
    return "; ".join(named) + ("" if told.agent else "; the agent was told none") if named else "none is set"
