"""Probes that are not heard, on any card: what that means, and what a person can paste there."""

from collections.abc import Sequence

from bot.cards.elements import Element, fold, line, run
from bot.evidence import Evidence
from skills.facts.site import Contacts
from skills.silence import Silence, by_hand, silences
from skills.views.parts import some

SHOWN_PROBES = 4
CHECKS = ("dns", "tcp", "tls", "websocket")
WITHOUT_PROGRAM = "Where our program is not installed, in PowerShell:"


def not_heard(
    evidence: Evidence,
    only: str | None = None,
    checks: Sequence[str] = CHECKS,
    headline: str = "",
    *,
    partly: bool = True,
) -> list[Element]:
    """What the headline says already is not said again; `partly`: also of those that are silent on one way alone."""
    quiet = silences(evidence.get(Contacts), only)
    told = [*(_on_the_relay(quiet) if partly else []), *(each.says for each in quiet if not each.partly)]
    lines = [line(run("! ", bold=True), run(each, most=300)) for each in told[:SHOWN_PROBES] if each not in headline]
    dumb = [each.probe for each in quiet if each.unheard]
    return [*lines, *paste(f"Commands to paste on {some(dumb, 2)}", by_hand(evidence, checks))] if dumb else lines


def _on_the_relay(quiet: Sequence[Silence]) -> list[str]:
    """In one sentence: behind one firewall they are all silent there."""
    names = [each.probe for each in quiet if each.partly]
    if not names:
        return []
    if len(names) == 1:
        return [f"{names[0]} answers over HTTPS and is silent on Service Bus."]
    return [f"{some(names[:-1], 6)} and {names[-1]} answer over HTTPS and are silent on Service Bus."]


def paste(label: str, commands: Sequence[str]) -> list[Element]:
    first, *rest = commands
    return fold("paste", label, [line(each) for each in (first, *([WITHOUT_PROGRAM, *rest] if rest else []))])
