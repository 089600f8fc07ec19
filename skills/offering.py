"""The next questions about servers that a verdict suggests, in the words in which a person would type them."""

from bot.answering import Offer
from bot.diagnosis import Found
from skills.catalogue import catalogue
from skills.verdict import Verdict

FOR_THE_FIREWALL = frozenset(
    {"net-servicebus-blocked", "net-msappproxy-blocked", "net-login-blocked", "net-crl-ocsp-80-blocked"}
    | {"net-root-ca-missing", "net-tls-inspection", "net-websocket-broken", "net-idle-timeout"}
    | {"net-dns-cname-chain", "net-firewall-user-bound", "net-ip-allowlist-stale"}
)
FOR_THE_PROXY = frozenset({"net-proxy-not-in-agent-config", "agent-config-reset-on-upgrade"})
TESTS = {
    "network": ("Test the network", "test the network"),
    "agent": ("Check the server", "check the server"),
    "gmsa": ("Check the gMSA", "is the gMSA ok"),
    "ad-link": ("Test the directory", "test the directory"),
}


def about_servers(verdict: Verdict) -> tuple[Offer, ...]:
    """For the first cause."""
    return about_cause(verdict.causes[0]) if verdict.causes else ()


def about_cause(first: Found) -> tuple[Offer, ...]:
    """On the one server where it was seen, or on all of them; at most two."""
    server = server_of(first)
    offers = []
    if first.id in FOR_THE_FIREWALL:
        offers.append(Offer("Firewall request", "firewall request" + (f" for {server}" if server else "")))
    if first.id in FOR_THE_PROXY:
        offers.append(Offer("Proxy snippet", "proxy snippet" + (f" for {server}" if server else "")))
    title, words = TESTS.get(catalogue()[first.id].layer, ("", ""))
    if title:
        offers.append(Offer(title, _of(words, server)))
    return tuple(offers[:2])


def _of(words: str, server: str | None) -> str:
    between = {"check the server": "check server", "is the gMSA ok": "is the gMSA ok on"}.get(words, f"{words} from")
    return f"{between} {server}" if server else words


def server_of(found: Found) -> str | None:
    """The probe whose records prove it; None where several servers have the same trouble."""
    names = (each.record.name.partition(":") for each in found.finding.because)
    probes = {rest.partition("/")[0] for system, _, rest in names if system == "site"} - {"", "-"}
    return probes.pop() if len(probes) == 1 else None
