"""Everything that can be asked, written out in the order in which help shows it."""

from typing import Any

from bot.answering import About, Later, Skill
from skills import phrases
from skills.agent_health import agent_health
from skills.explain_code import explain_code
from skills.help import helping
from skills.logs import logs
from skills.recent_errors import config_changes, recent_errors
from skills.sync_status import sync_status
from skills.why_not_syncing import is_synced, why_not_syncing

LATER: tuple[Later, ...] = (
    Later(
        (phrases.RUN_NOW, phrases.CLEAR_RESTART, phrases.ALLOW_DELETES, phrases.RESTORE),
        "I only look so far: I cannot change anything in the tenant yet. "
        "Ask me for the cause, and do it in the portal.",
        About.NOTHING,
    ),
    Later(
        (phrases.HOST_CHECK, phrases.NETWORK_CHECK, phrases.GMSA_CHECK),
        "I cannot run a check on a server on request yet; "
        "what probes report is part of every answer to why somebody does not sync.",
        About.NOTHING,
    ),
    Later(
        (phrases.DELETES_PENDING,),
        "I cannot list held deletions yet; ask for the sync status to see whether a job holds any.",
    ),
    Later((phrases.COMPARE,), "I cannot compare two people yet; ask about one of them.", About.NOTHING),
    Later((phrases.WATCH,), "I cannot watch somebody for you yet; ask again in a few minutes.", About.NOTHING),
    Later(
        (phrases.LIMITS, phrases.HOWTO),
        "I know causes, not the manual: ask me about a person, the jobs or a code.",
        About.NOTHING,
    ),
    Later(
        (phrases.FOLLOWUP,),
        "I do not know what this is about: ask about somebody first. Then I can go on from there.",
        About.NOTHING,
    ),
    Later((phrases.SELFTEST,), "I cannot test my own set-up from here yet.", About.NOTHING),
)

SKILLS: tuple[Skill[Any] | Later, ...] = (
    why_not_syncing,
    is_synced,
    logs,
    sync_status,
    agent_health,
    recent_errors,
    config_changes,
    explain_code,
    helping,
    *LATER,
)
