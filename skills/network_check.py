"""Does a server reach what its agent needs? All probes, or the one on the server that is named."""

from bot.answering import About, Skill
from skills.collectors.configuration import jobs
from skills.collectors.site import patient
from skills.collectors.tenant import now
from skills.phrases import NETWORK_CHECK
from skills.rules import TENANT_RULES
from skills.servers import NETWORK, SERVER, Collectors, checks_of, rules_for, the_servers, their_agents, their_contacts
from skills.views.network import network_answer

COLLECTORS: Collectors = (now, their_agents, jobs, their_contacts, *patient(checks_of(*NETWORK, *SERVER)))

network_check = Skill(
    intents=(NETWORK_CHECK,),
    about=About.TENANT,
    resolve=the_servers,
    collectors=COLLECTORS,
    rules=rules_for(COLLECTORS, TENANT_RULES),
    view=network_answer,
    without_tenant=True,
)
