"""Probes that are not heard, on any card: what that means, and what a person can paste there."""

from collections.abc import Sequence

from bot.cards.elements import Element, fold, line, run
from bot.evidence import Evidence
from skills.facts.site import Contacts
from skills.silence import by_hand, silences
from skills.views.parts import some

SHOWN_PROBES = 4
CHECKS = ("dns", "tcp", "tls", "websocket")
WITHOUT_PROGRAM = "Where our program is not installed, in PowerShell:"


def not_heard(
    evidence: Evidence, only: str | None = None, checks: Sequence[str] = CHECKS, headline: str = ""
) -> list[Element]:
    """What the headline says already is not said again."""
    quiet = silences(evidence.get(Contacts), only)
    lines = [
        line(run("! ", bold=True), run(each.says, most=300))
        for each in quiet[:SHOWN_PROBES]
        if each.says not in headline
    ]
    dumb = [each.probe for each in quiet if each.unheard]
    return [*lines, *paste(f"Commands to paste on {some(dumb, 2)}", by_hand(evidence, checks))] if dumb else lines


def paste(label: str, commands: Sequence[str]) -> list[Element]:
    first, *rest = commands
    return fold("paste", label, [line(each) for each in (first, *([WITHOUT_PROGRAM, *rest] if rest else []))])
