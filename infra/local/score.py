"""The scoreboard: replays every labelled case of a folder and holds the answers against the labels."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot.answering import Answer, Outcome
from infra.local.case_records import holds, without
from infra.local.replay import replay
from infra.local.world import CaseError, World

Json = dict[str, Any]
AT_ONCE = 4
"""Replays side by side: enough to fill the waits of one with the work of another."""

STATES = ("blocked", "waiting", "fine", "cannot_tell", "not_found", "ambiguous")
ASTRAY = frozenset({Outcome.NOT_UNDERSTOOD, Outcome.NOT_ALLOWED, Outcome.UNREACHABLE})
"""Outcomes of questions that never came to a diagnosis."""
WITHOUT_CAUSES = frozenset({"fine", "cannot_tell", "not_found", "ambiguous"})


class Left(StrEnum):
    """What an answer becomes when a record that carried it is taken away."""

    RIGHT = "still right"
    CANNOT_TELL = "cannot tell"
    BESIDE = "names only what is true beside it"
    NO_CAUSE = "says that nothing is wrong or nobody is there"
    LIKELY = "names another cause as likely"
    PROVEN = "names another cause as proven"


@dataclass(frozen=True)
class Gold:
    """The label of a case."""

    cause: str
    state: str
    accept: frozenset[str]
    also: frozenset[str]
    never: frozenset[str]
    decisive: tuple[str, ...]
    settle: str | None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Gold":
        cause, state = body.get("cause"), body.get("state")
        if not isinstance(cause, str) or state not in STATES:
            raise CaseError("The gold label needs a cause and a state of the verdict.")
        return cls(
            cause,
            state,
            frozenset(body.get("accept") or ()),
            frozenset(body.get("also") or ()),
            frozenset(body.get("never") or ()),
            tuple(body.get("decisive") or ()),
            body.get("settle"),
        )

    @property
    def right(self) -> frozenset[str]:
        return self.accept | {self.cause}

    def top1(self, verdict: Json) -> bool:
        """The first cause is the labelled one; a state without causes is right by itself, with the id beside it."""
        if self.state not in WITHOUT_CAUSES:
            return next(iter(ids(verdict, "causes")), None) in self.right
        named = self.cause not in ("none", "undecided")
        return verdict["state"] == self.state and (not named or bool(self.right & set(ids(verdict, "also"))))

    def blamed(self, verdict: Json) -> list[str]:
        """Ids that stand among the causes and must not."""
        fair = (self.right | self.also) - self.never
        return sorted({ident for ident in ids(verdict, "causes") if ident not in fair})


def ids(verdict: Json, part: str) -> list[str]:
    return [each["id"] for each in verdict[part]]


def records(verdict: Json, *parts: str) -> set[str]:
    return {because["record"] for part in parts for found in verdict[part] for because in found["because"]}


async def score(folder: Path, *, ablate: bool) -> Json:
    """Raises OSError if the folder cannot be listed. A case that breaks is a row of the board, not its end."""
    paths = await asyncio.to_thread(_case_files, folder)
    turns = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_scored(path, turns, ablate=ablate) for path in paths))
    rows = [row for row in found if row is not None]
    return {"score": 1, "folder": str(folder), "totals": totals(rows, ablated=ablate), "rows": rows}


def _case_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder of case files")
    return sorted(folder.glob("*.json"))


async def _scored(path: Path, turns: asyncio.Semaphore, *, ablate: bool) -> Json | None:
    """None for a case without a label."""
    try:
        world = World.load(path)
        if world.gold is None:
            return None
        gold = Gold.parse(world.gold)
        async with turns:
            answer = await replay(world)
        row = judged(path.stem, world, gold, answer)
        if ablate and row["top1"]:
            row["ablation"] = [await _ablated(world, gold, record, turns) for record in gold.decisive]
    except CaseError as error:
        return {"case": path.stem, "error": str(error)}
    except Exception as error:  # noqa: BLE001  # a case that breaks the bot is a miss to be listed with its reason
        return {"case": path.stem, "error": f"{type(error).__name__}: {error}"}
    return row


def judged(name: str, world: World, gold: Gold, answer: Answer) -> Json:
    """One row of the board."""
    verdict = answer.document
    cited = records(verdict, "causes", "also")
    return {
        "case": name,
        "error": None,
        "ask": world.ask,
        "wanted": {"state": gold.state, "cause": gold.cause, "accept": sorted(gold.accept), "settle": gold.settle},
        "got": {
            "outcome": answer.outcome.value,
            "state": verdict["state"],
            "causes": [[each["id"], each["certainty"]] for each in verdict["causes"]],
            "also": ids(verdict, "also"),
            "settle": (verdict["settle"] or {}).get("check"),
        },
        "top1": gold.top1(verdict),
        "rightState": verdict["state"] == gold.state,
        "blamed": gold.blamed(verdict),
        "settled": _same_check(gold.settle, verdict) if gold.settle else None,
        "ungrounded": sorted(record for record in cited if not holds(world.document, record)),
        "decisive": {"cited": [each for each in gold.decisive if each in cited], "of": list(gold.decisive)},
        "alsoFound": sorted(gold.also & {*ids(verdict, "also"), *ids(verdict, "causes")}),
        "alsoMissed": sorted(gold.also - {*ids(verdict, "also"), *ids(verdict, "causes")}),
        "graphCalls": verdict["graphCalls"],
        "ablation": [],
    }


def _same_check(wanted: str, verdict: Json) -> bool:
    """The label names a check or a kind of evidence; `provisioning log` and `provisioningLogs` are one."""
    proposed = (verdict["settle"] or {}).get("check") or ""
    return bool(proposed) and _letters(wanted).startswith(_letters(proposed)[:8])


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


async def _ablated(world: World, gold: Gold, record: str, turns: asyncio.Semaphore) -> Json:
    try:
        less = World.parse(without(world.document, record))
    except KeyError:
        return {"record": record, "left": None, "got": "the case does not hold this record"}
    async with turns:
        answer = await replay(less)
    return {"record": record, "left": left(gold, answer).value, "got": _short(answer.document)}


def left(gold: Gold, answer: Answer) -> Left:
    verdict = answer.document
    if gold.top1(verdict):
        return Left.RIGHT
    if verdict["state"] == "cannot_tell":
        return Left.CANNOT_TELL
    if not verdict["causes"]:
        return Left.NO_CAUSE
    first = verdict["causes"][0]
    if first["id"] in (gold.right | gold.also) - gold.never:
        return Left.BESIDE
    return Left.PROVEN if first["certainty"] == "proven" else Left.LIKELY


def _short(verdict: Json) -> str:
    named = ", ".join(f"{each['id']} ({each['certainty']})" for each in verdict["causes"])
    return f"{verdict['state']}: {named}" if named else str(verdict["state"])


def totals(rows: Sequence[Json], *, ablated: bool) -> Json:
    """Each count as `[how many, of how many]`."""
    good = [row for row in rows if row["error"] is None]
    groups = {state: [row for row in good if row["wanted"]["state"] == state] for state in STATES}
    doubtful = [row for row in good if row["wanted"]["cause"] == "undecided"]
    certain = [row for row in good if row["wanted"]["cause"] != "undecided"]
    return {
        "broken": [len(rows) - len(good), len(rows)],
        "top1": _count(row["error"] is None and row["top1"] for row in rows),
        "top1ByState": {state: _count(row["top1"] for row in group) for state, group in groups.items() if group},
        "rightState": _count(row["rightState"] for row in good),
        "falseBlame": _count(bool(row["blamed"]) for row in good),
        "abstainedWrongly": _count(row["got"]["state"] == "cannot_tell" for row in certain),
        "abstainedRightly": _count(row["got"]["state"] == "cannot_tell" for row in doubtful),
        "settle": _count(row["settled"] for row in good if row["settled"] is not None),
        "grounded": _count(not row["ungrounded"] for row in good),
        "decisiveCited": _sum(row["decisive"].values() for row in good if row["top1"]),
        "alsoFound": _sum((row["alsoFound"], [*row["alsoFound"], *row["alsoMissed"]]) for row in good),
        "ablation": _ablation(good) if ablated else None,
    }


def _count(found: Iterable[bool]) -> list[int]:
    answers = list(found)
    return [sum(answers), len(answers)]


def _sum(pairs: Iterable[Iterable[Sequence[str]]]) -> list[int]:
    counted = [[len(part) for part in pair] for pair in pairs]
    return [sum(some for some, _ in counted), sum(every for _, every in counted)]


def _ablation(rows: Sequence[Json]) -> dict[str, list[int]]:
    seen = [each["left"] for row in rows for each in row["ablation"] if each["left"]]
    return {kind.value: [seen.count(kind.value), len(seen)] for kind in Left}


def table(board: Json) -> str:
    """One line for each miss, then the totals."""
    lines = [*_misses(board["rows"]), *_loose(board["rows"]), "", *_totals(board["totals"])]
    return "\n".join(lines).lstrip("\n") + "\n"


def _misses(rows: Sequence[Json]) -> Iterator[str]:
    for row in rows:
        if row["error"] is not None:
            yield f"{row['case']}: BROKEN {row['error']}"
            continue
        faults = [] if row["top1"] else ["top-1"]
        faults += [f"blames {', '.join(row['blamed'])}"] if row["blamed"] else []
        faults += [f"ungrounded {', '.join(row['ungrounded'])}"] if row["ungrounded"] else []
        faults += ["settle"] if row["settled"] is False else []
        if faults:
            yield f"{row['case']}: {'; '.join(faults)} | wanted {_wanted(row)} | got {_got(row)}"


def _wanted(row: Json) -> str:
    wanted = row["wanted"]
    settle = f", settle {wanted['settle']}" if wanted["settle"] else ""
    return f"{wanted['state']} {'|'.join([wanted['cause'], *wanted['accept']])}{settle}"


def _got(row: Json) -> str:
    got = row["got"]
    causes = ", ".join(f"{ident} ({certainty})" for ident, certainty in got["causes"])
    settle = f"settle {got['settle']}" if row["wanted"]["settle"] or not causes else ""
    astray = f"({got['outcome']})" if got["outcome"] in ASTRAY else ""
    return " ".join(filter(None, (got["state"], causes, settle, astray)))


def _loose(rows: Sequence[Json]) -> Iterator[str]:
    """Claims that outlived their proof as another claim: proof that was no proof."""
    for row in rows:
        for each in row.get("ablation") or ():
            if each["left"] is None or each["left"] in (Left.PROVEN, Left.NO_CAUSE):
                yield f"{row['case']} without {each['record']}: {each['left'] or 'not tried'} | got {each['got']}"


def _totals(counted: Json) -> Iterator[str]:
    yield _line("right at first (top-1)", counted["top1"])
    for state, pair in counted["top1ByState"].items():
        yield _line(f"  {state}", pair)
    yield _line("right state", counted["rightState"])
    yield _line("false blame", counted["falseBlame"])
    yield _line("cannot tell, though it could be told", counted["abstainedWrongly"])
    yield _line("cannot tell, and rightly so", counted["abstainedRightly"])
    yield _line("the check that would settle it", counted["settle"])
    yield _line("every claim on a record of the case", counted["grounded"])
    yield _line("decisive records cited", counted["decisiveCited"])
    yield _line("further true findings named", counted["alsoFound"])
    yield _line("broken cases", counted["broken"])
    if counted["ablation"]:
        yield "with one decisive record taken away:"
        for kind, pair in counted["ablation"].items():
            yield _line(f"  {kind}", pair)


def _line(what: str, pair: Sequence[int]) -> str:
    some, every = pair
    share = f"{100 * some / every:5.1f} %" if every else "    –"
    return f"{what:<50} {some:>4} of {every:<4} {share}"
