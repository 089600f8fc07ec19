"""Everything that can be asked, written out in the order in which help shows it."""

from bot.answering import About, Askable, Later
from skills import phrases
from skills.acting import ACTS, GUIDES
from skills.agent_health import agent_health
from skills.directory_check import directory_check
from skills.endpoints import endpoints
from skills.explain_code import explain_code
from skills.firewall import firewall_request, proxy_snippet
from skills.gmsa_check import gmsa_check
from skills.held_deletions import held_deletions
from skills.help import helping, helping_acts, helping_probes, what_is_a_probe
from skills.host_check import compare_agents, host_check
from skills.logs import logs
from skills.network_check import network_check
from skills.probes import PROBE_COMMANDS
from skills.recent_errors import config_changes, recent_errors
from skills.selftest import selftest
from skills.sync_status import sync_status
from skills.why_not_syncing import is_synced, why_not_syncing

LATER: tuple[Later, ...] = (
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
)

SKILLS: tuple[Askable, ...] = (
    why_not_syncing,
    is_synced,
    logs,
    sync_status,
    held_deletions,
    agent_health,
    network_check,
    host_check,
    directory_check,
    gmsa_check,
    compare_agents,
    firewall_request,
    proxy_snippet,
    endpoints,
    recent_errors,
    config_changes,
    explain_code,
    *ACTS,
    *GUIDES,
    *PROBE_COMMANDS,
    selftest,
    what_is_a_probe,
    helping,
    helping_acts,
    helping_probes,
    *LATER,
)
