"""Can the agent's account log on, be fetched by this server, and start the service?"""

from bot.answering import About, Skill
from skills.collectors.configuration import jobs
from skills.collectors.tenant import now
from skills.facts.site import Controllers
from skills.phrases import GMSA_CHECK
from skills.rules import TENANT_RULES
from skills.servers import ACCOUNT, SERVER, Collectors, checks_of, rules_for, the_servers, their_agents, their_contacts
from skills.views.hosts import gmsa_answer

COLLECTORS: Collectors = (now, their_agents, jobs, their_contacts, *checks_of(*SERVER, *ACCOUNT, Controllers))

gmsa_check = Skill(
    intents=(GMSA_CHECK,),
    about=About.TENANT,
    resolve=the_servers,
    collectors=COLLECTORS,
    rules=rules_for(COLLECTORS, TENANT_RULES),
    view=gmsa_answer,
    without_tenant=True,
)
