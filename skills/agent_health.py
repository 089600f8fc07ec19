"""Are the agents ok? What the cloud lists, what the probes see beside them, and what the jobs say of the channel."""

from bot.answering import About, Skill
from skills.collectors.configuration import jobs
from skills.collectors.site import CHECKS, contacts
from skills.collectors.tenant import agents, now
from skills.meant import the_tenant
from skills.phrases import AGENT_HEALTH, VERSION
from skills.rules import TENANT_RULES
from skills.views.agents import agents_answer

agent_health = Skill(
    intents=(AGENT_HEALTH, VERSION),
    about=About.TENANT,
    resolve=the_tenant,
    collectors=(now, agents, jobs, contacts, *CHECKS),
    rules=TENANT_RULES,
    view=agents_answer,
)
