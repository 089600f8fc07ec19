"""A story of the demo, served on Graph's wire, and acts taken through their steps by hand."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from little_world import Served, serving

from bot.acts import ATTEMPTED, Action, Called, Look, Plan, Refused, Thing
from bot.answering import Ask
from bot.intents import Grammar, Understood
from infra.local.stories import STORIES
from skills.acts import ACTIONS
from skills.phrases import DEFAULTS, NAMES, VOCABULARY
from skills.phrases import acts as words

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
BY_OP = {action.op: action for action in ACTIONS}
OURS = (*ACTIONS,)
INTENTS = tuple(dict.fromkeys((*VOCABULARY, *(intent for action in ACTIONS for intent in action.intents))))
GRAMMAR = Grammar((*INTENTS, words.SPLIT_BRAIN, words.REPAIR_ACCOUNT, words.DELETE_GUARD), NAMES, defaults=DEFAULTS)
Json = dict[str, Any]


def asked(text: str) -> Ask:
    reading = GRAMMAR.understand(text)
    assert isinstance(reading, Understood), text
    return Ask(text, reading.intent, reading.slots)


def action_for(text: str) -> Action:
    intent = asked(text).intent
    return next(action for action in ACTIONS if any(each.name == intent for each in action.intents))


def story(name: str) -> Json:
    """Each time a copy of its own."""
    case: Json = json.loads(_written(name))
    return case


@cache
def _written(name: str) -> str:
    return json.dumps(STORIES[name](AT))


@asynccontextmanager
async def told(name: str | Json) -> AsyncIterator[Served]:
    async with serving(story(name) if isinstance(name, str) else name) as served:
        yield served


async def planned(served: Served, text: str) -> Plan | Refused:
    return await action_for(text).plan(asked(text), served.reach)


async def plan_of(served: Served, text: str) -> Plan:
    """The plan, also where it takes somebody who insists."""
    made = await planned(served, text)
    plan = made.overrule if isinstance(made, Refused) else made
    assert plan is not None, made
    return plan


async def refusal(served: Served, text: str) -> Refused:
    made = await planned(served, text)
    assert isinstance(made, Refused), made
    return made


async def done(served: Served, thing: Thing) -> tuple[Called, Look]:
    """Claimed, called and looked at, as execution does it."""
    action = BY_OP[thing.op]
    before = await claimed(served, thing)
    called = await action.call(thing, served.graph.counted(), "attempt-1")
    return called, await action.verify(thing, before, served.reach)


async def claimed(served: Served, thing: Thing) -> Mapping[str, str]:
    world = await BY_OP[thing.op].observe(thing, served.reach)
    assert world == thing.preconditions
    return {**world, ATTEMPTED: served.clock.now().isoformat()}


def job_of(case: Json, prefix: str = "AD2AADProvisioning", principal: int = 0) -> Json:
    jobs = case["tenant"]["servicePrincipals"][principal]["jobs"]
    found: Json = next(job for job in jobs if job["id"].startswith(prefix))
    return found


def changed(thing: Thing, **changes: Any) -> Thing:
    return replace(thing, **changes)
