"""What one probe saw, out of evidence over all of them."""

from typing import TypeVar

from bot.evidence import Evidence, Missing
from skills.facts.site import Seen, SiteFact
from skills.rules.reached import of_probe

T = TypeVar("T")


def seen_by(evidence: Evidence, probe: str, kind: type[SiteFact[T]]) -> tuple[Seen[T], ...]:
    """Empty where it could not be asked, or did not answer."""
    fact = evidence.get(kind)
    return () if isinstance(fact, Missing) else of_probe(fact.seen, probe)
