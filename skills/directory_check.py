"""Does a server reach its domain controllers, and find there what the agent must read?"""

from bot.answering import About, Skill
from skills.collectors.configuration import jobs
from skills.collectors.tenant import now
from skills.facts.site import AgentInstall, EventLog, ServerClock, Trace
from skills.phrases import DIRECTORY_CHECK
from skills.rules import RULES
from skills.servers import DIRECTORY, Collectors, checks_of, rules_for, the_servers, their_agents, their_contacts
from skills.views.directory import directory_answer

COLLECTORS: Collectors = (
    now,
    their_agents,
    jobs,
    their_contacts,
    *checks_of(*DIRECTORY, AgentInstall, EventLog, Trace, ServerClock),
)

directory_check = Skill(
    intents=(DIRECTORY_CHECK,),
    about=About.TENANT,
    resolve=the_servers,
    collectors=COLLECTORS,
    rules=rules_for(COLLECTORS, RULES),
    view=directory_answer,
    without_tenant=True,
)
