"""The settings: those that are refused, those that are not set, and what each costs."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bot.doctor.findings import Group, Item, Line
from bot.enrolling import NEEDED
from bot.settings import PREFIX, RefusedSettings, Settings, for_serving, from_environment

PAGE: Final = "docs/settings.md"
ITEM: Final = Item("setting.all", Group.SETTINGS, "Settings")
FOR_PROBES: Final = Item("setting.probes", Group.SETTINGS, "Settings for probes")
NOT_STARTED: Final = "the bot does not start"
IDENTITY: Final = ("APP_ID", "APP_TENANT_ID", "APP_CREDENTIAL", "LOCAL", "GRAPH_URL", "GRAPH_TOKEN")
"""Without one of these, as it was meant, nobody is asked for anything: it might be the wrong one."""
COSTS: Final[Mapping[str, str]] = {
    "WHYSYNC_PUBLIC_URL": "probes have no second way to the bot and cannot enrol",
    "WHYSYNC_SIGNING_KEY": "probes cannot be asked anything, and the end of the audit is not signed",
}
NO_PROBES: Final = "there can be no probes: what happens on the servers themselves is not seen"


def forgiving(environment: Mapping[str, str] | None = None) -> tuple[Settings, tuple[str, ...]]:
    """The settings without those that are refused, and a line for each of these."""
    given = dict(os.environ if environment is None else environment)
    refused: list[str] = []
    while True:
        try:
            return from_environment(given), tuple(refused)
        except RefusedSettings as refusal:
            refused += refusal.lines
            names = {line.partition(":")[0] for line in refusal.lines}
            left = {name: value for name, value in given.items() if name.upper() not in names and name not in names}
            # What is no setting's own fault cannot be cured by leaving it out.
            given = left if left != given else {}


def safe_to_ask(refused: Sequence[str]) -> bool:
    """Whether the tenant that would be asked is the one that was meant."""
    return not any(line.startswith(f"{PREFIX}{name}:") for line in refused for name in IDENTITY)


def settings_lines(settings: Settings, refused: Sequence[str]) -> Sequence[Line]:
    lines = [*map(_refused, refused), *_unserved(settings, refused), *_unset(settings, refused)]
    return lines or [ITEM.ok("All that are needed are set, and none is refused.")]


def _item(name: str) -> Item:
    return Item(f"setting.{name}", Group.SETTINGS, name)


def _refused(line: str) -> Line:
    name, _, why = line.partition(":")
    return _item(name).missing(f"Refused: {why.strip()}.", NOT_STARTED, f"Correct {name} ({PAGE}).")


def _unserved(settings: Settings, refused: Sequence[str]) -> Iterator[Line]:
    """The conditions for serving; what was refused is named already."""
    try:
        for_serving(settings)
    except RefusedSettings as refusal:
        for line in refusal.lines:
            name, _, why = line.partition(":")
            if not _among(name, refused) and name != "WHYSYNC_POLICY":  # the policy has a line of its own
                yield _item(name).missing(
                    f"{why.strip()[:1].upper()}{why.strip()[1:]}.", NOT_STARTED, f"Set {name} ({PAGE})."
                )


def _unset(settings: Settings, refused: Sequence[str]) -> Iterator[Line]:
    """No relay at all is a choice; a relay without the rest is a mistake."""
    given = {name: getattr(settings, name.removeprefix(PREFIX).lower()) for name in NEEDED}
    unset = [name for name in NEEDED if not given[name] and not _among(name, refused)]
    if not settings.servicebus:
        if unset:
            yield FOR_PROBES.degraded(f"Not set: {', '.join(unset)}.", NO_PROBES, "Set them (docs/probes.md).")
        return
    for name in unset:
        told = "Not set, while WHYSYNC_SERVICEBUS is."
        yield _item(name).missing(told, COSTS[name], f"Set {name} ({PAGE}).")


def _among(name: str, refused: Sequence[str]) -> bool:
    return any(line.startswith(f"{name}:") for line in refused)
