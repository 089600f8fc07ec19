"""Why isn't this user syncing? Everything that asks for a cause about one person ends here."""

from dataclasses import replace

from bot.answering import About, Skill
from skills.meant import the_person
from skills.phrases import (
    DELETES_PENDING,
    DUPLICATES,
    MASS_PROBLEM,
    QUARANTINE,
    SCOPE_CHECK,
    STATUS_USER,
    WHEN,
    WHICH_TOOL,
    WHY_ATTR,
    WHY_DELETED,
    WHY_GROUP,
    WHY_MEMBER,
    WHY_PASSWORD,
    WHY_USER,
    WHY_WRITEBACK,
)
from skills.rules import RULES
from skills.sources import EVERYTHING
from skills.views.verdict import verdict_answer

why_not_syncing = Skill(
    intents=(
        WHY_USER,
        WHY_GROUP,
        WHY_ATTR,
        WHY_MEMBER,
        WHY_PASSWORD,
        WHY_WRITEBACK,
        WHY_DELETED,
        DUPLICATES,
        SCOPE_CHECK,
        MASS_PROBLEM,
        QUARANTINE,
        DELETES_PENDING,
    ),
    about=About.PERSON,
    resolve=the_person,
    collectors=EVERYTHING,
    rules=RULES,
    view=verdict_answer,
)
"""Words about everybody that name somebody are answered for that one: their cause is the others' cause."""

is_synced = replace(why_not_syncing, intents=(STATUS_USER, WHICH_TOOL, WHEN))
