"""Is a server fit for its agent, and how do the agents' servers differ?"""

from dataclasses import replace

from bot.answering import About, Skill
from skills.collectors.configuration import jobs
from skills.collectors.tenant import now
from skills.facts.site import Controllers
from skills.phrases import COMPARE_AGENTS, HOST_CHECK
from skills.rules import TENANT_RULES
from skills.servers import (
    ACCOUNT,
    NETWORK,
    SERVER,
    Collectors,
    checks_of,
    rules_for,
    the_servers,
    their_agents,
    their_contacts,
)
from skills.views.hosts import comparison_answer, host_answer

COLLECTORS: Collectors = (now, their_agents, jobs, their_contacts, *checks_of(*NETWORK, *SERVER, *ACCOUNT, Controllers))

host_check = Skill(
    intents=(HOST_CHECK,),
    about=About.TENANT,
    resolve=the_servers,
    collectors=COLLECTORS,
    rules=rules_for(COLLECTORS, TENANT_RULES),
    view=host_answer,
    without_tenant=True,
)
compare_agents = replace(host_check, intents=(COMPARE_AGENTS,), view=comparison_answer)
