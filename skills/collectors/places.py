"""The containers and groups of a scope, cut into commands that a probe takes."""

from collections.abc import Iterable, Mapping

from bot.evidence import SourceError
from bot.identifiers import InvalidDn, parse_dn
from bot.reach import Reach
from skills.collectors.configuration import sync_schema
from skills.facts.subject import Subject

MOST_NAMES = 60
MOST_LETTERS = 2048
MOST_COMMANDS = 4
"""Each takes a probe some seconds; a scope beyond that is too large to work anyway."""


async def places(subject: Subject, reach: Reach) -> tuple[Mapping[str, str], ...]:
    """By DN, from the schema of the subject's job. Where nothing can be named, the probe's own list counts."""
    try:
        schema = await sync_schema.ask(subject, reach)
    except SourceError:
        return ({},)
    return commands((*schema.containers, *schema.groups)) or ({},)


def commands(names: Iterable[str]) -> tuple[Mapping[str, str], ...]:
    batches: list[list[str]] = []
    for name in dict.fromkeys(filter(is_name, names)):
        if not batches or not _fits(batches[-1], name):
            batches.append([])
        batches[-1].append(name)
    return tuple({"dns": "\n".join(batch)} for batch in batches[:MOST_COMMANDS])


def _fits(batch: list[str], name: str) -> bool:
    return len(batch) < MOST_NAMES and sum(len(each) + 1 for each in batch) + len(name) <= MOST_LETTERS


def is_name(text: str) -> bool:
    """A distinguished name on one line: a group may be given by its id, and a misspelt one is no name at all."""
    try:
        parse_dn(text)
    except InvalidDn:
        return False
    return len(text) <= MOST_LETTERS // 2 and text.isprintable()
