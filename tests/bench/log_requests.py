"""What two hundred people cost the provisioning log, which gives five answers in ten seconds and no more."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from aiohttp import web

from bot.clock import SystemClock
from infra.local.graph import GraphServer
from tests.bench.crowd import PERSONS, POLICY, Crowd, crowded_world, synced_people
from tests.bench.figures import Figure
from tests.bench.house import bot
from tests.bench.town import Line, open_town

ASKERS: Final = 200
WITHIN: Final = 10.0
INCIDENT: Final = "why isn't jdoe syncing"
LOG: Final = "/auditLogs/provisioning"


class CountingGraph(GraphServer):
    """Its log refuses the sixth request in ten seconds; how often it had to is counted."""

    refused = 0

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        response = await super()._serve(request)
        self.refused += response.status == 429
        return response


async def figures() -> list[Figure]:
    one = await _asked([INCIDENT] * ASKERS)
    many = await _asked([f"why isn't {name} syncing" for name in synced_people(crowded_world(), ASKERS)])
    return [*_told("one incident", 5, *one), *_told("200 people", 10, *many)]


def _told(about: str, goal: int, requests: int, refused: int, slowest: float) -> list[Figure]:
    what = f"200 ask in 10 s about {about}:"
    return [
        Figure(f"{what} log requests", f"{requests}", f"<= {goal}", requests <= goal),
        Figure(f"{what} 429 answers", f"{refused}", "0", refused == 0),
        Figure(f"{what} slowest", f"{slowest:.1f} s"),
    ]


async def _asked(questions: list[str]) -> tuple[int, int, float]:
    """Requests of the log, how many of all requests Graph refused, and how long the last one waited."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_town() as town,
            CountingGraph(crowded_world(), SystemClock()) as graph,
            bot(town, graph.url, Path(folder), policy=POLICY) as house,
        ):
            crowd, token = Crowd(town, house), town.signer.token(town.url)

            async def one(number: int, text: str) -> None:
                await asyncio.sleep(number * WITHIN / ASKERS)
                line = await Line.open(house.url)
                try:
                    await crowd.ask(line, PERSONS[number], token, text)
                finally:
                    line.close()

            async with asyncio.TaskGroup() as tasks:
                for number, text in enumerate(questions):
                    tasks.create_task(one(number, text))
            return len(graph.asked(LOG)), graph.refused, max(crowd.answers)
