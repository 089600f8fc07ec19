"""Which hosts and ports does the agent need, in which cloud? Needs no tenant and no probe."""

import re

from bot.answering import About, Ask, Skill
from bot.reach import Reach
from skills.facts.endpoints import Cloud
from skills.facts.subject import Subject, SubjectKind
from skills.phrases import NETWORK_CHECK
from skills.views.requests import endpoints_answer

CLOUDS = (
    (Cloud.US_GOVERNMENT, re.compile(r"\b(gov|government|usgov|gcc|gcch|dod|fairfax)\b|\.us\b", re.IGNORECASE)),
    (Cloud.CHINA, re.compile(r"\b(china|chinese|21vianet|mooncake)\b|\.cn\b", re.IGNORECASE)),
)


def cloud_named(text: str) -> Cloud:
    """Worldwide where nothing else is said. GCC without High is on worldwide hosts, yet who says so means the other."""
    return next((cloud for cloud, words in CLOUDS if words.search(text)), Cloud.WORLDWIDE)


async def the_cloud(ask: Ask, reach: Reach) -> Subject:  # noqa: ARG001  # a skill's signature
    return Subject(cloud_named(ask.text).value, SubjectKind.TENANT)


endpoints = Skill(
    intents=(NETWORK_CHECK,),
    about=About.NOTHING,
    resolve=the_cloud,
    view=endpoints_answer,
    topics=("endpoints",),
)
