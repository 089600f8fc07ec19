"""What only Windows knows of the machine under the agent: the answer of its script, read into the contract's `host`."""

from typing import Any, Final

from bot.probe.checks.asking import with_notes
from bot.probe.powershell_json import instant, known, rows, stamp, word, words
from bot.probe.reach import Observed
from skills.facts.reading import Json, child, number

POLICIES: Final = {0: "Unrestricted", 1: "RemoteSigned", 2: "AllSigned", 3: "Restricted", 4: "Bypass", 5: "Undefined"}
SCOPES: Final = ("MachinePolicy", "UserPolicy", "CurrentUser", "LocalMachine")


def read_host(body: dict[str, Any]) -> Observed:
    tls = child(body, "tls")
    data = {
        "name": word(body, "name"),
        "os": _without_maker(word(body, "caption")),
        "build": _build(body),
        "edition": _edition(body),
        "memoryMb": _memory_mb(body),
        "dotnetRelease": number(body, "dotnetRelease"),
        "tls12": tls12(tls),
        "bootedAt": stamp(instant(body, "bootedAt")),
        "updates": sorted({each.upper() for each in words(body, "updates")}),
        "executionPolicy": _policies(child(body, "policies")),
        "nics": [_card(each) for each in rows(body, "cards")],
        "cpuPercent": number(body, "cpuPercent"),
        "fipsAlgorithmPolicy": number(body, "fips"),
        "override2025": number(body, "override2025"),
        "schUseStrongCrypto": [number(tls, "strongCrypto"), number(tls, "strongCrypto32")],
        "domainController": (number(body, "domainRole") or 0) >= 4,
    }
    return Observed(True, with_notes({key: value for key, value in data.items() if value is not None}, body))


def _without_maker(caption: str | None) -> str | None:
    return caption.removeprefix("Microsoft ").strip() if caption else None


def _build(body: Json) -> str | None:
    build, revision = word(body, "build"), number(body, "revision")
    return f"{build}.{revision}" if build and revision else build


def _edition(body: Json) -> str | None:
    """`Standard, Desktop Experience`, as the rules tell a server with a desktop from one without."""
    kind = {"Server": "Desktop Experience", "Server Core": "Server Core", "Client": "Client"}.get(
        word(body, "installationType") or "", word(body, "installationType")
    )
    edition = (word(body, "editionId") or "").removeprefix("Server").removesuffix("Cor")
    return ", ".join(part for part in (edition, kind) if part) or None


def _memory_mb(body: Json) -> int | None:
    size = number(body, "memoryBytes")
    return size // 1_048_576 if size else None


def tls12(keys: Json) -> bool | None:
    """Whether a client on this server may use TLS 1.2. Windows 2016 and later allow it unless a key forbids it."""
    if not keys:
        return None
    return number(keys, "clientEnabled") != 0 and not number(keys, "clientDisabledByDefault")


def _policies(body: Json) -> dict[str, str]:
    told = {scope: known(body, scope, POLICIES) for scope in SCOPES}
    return {scope: value for scope, value in told.items() if value}


def _card(body: Json) -> dict[str, Any]:
    addresses, gateways = words(body, "addresses"), words(body, "gateways")
    return {
        "name": word(body, "name"),
        "address": _first_v4(addresses),
        "metric": number(body, "metric"),
        "gateway": _first_v4(gateways),
        "dns": words(body, "dns"),
    }


def _first_v4(addresses: list[str]) -> str | None:
    return next((each for each in addresses if ":" not in each), addresses[0] if addresses else None)
