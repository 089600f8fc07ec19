"""Is the sync running? Jobs, their quarantine and its clock, the next cycle, and why one stands still."""

from bot.answering import About, Skill
from skills.meant import the_tenant
from skills.phrases import JOB_STATUS, MASS_PROBLEM, QUARANTINE, WHEN
from skills.rules import TENANT_RULES
from skills.sources import ABOUT_THE_TENANT
from skills.views.status import status_answer

sync_status = Skill(
    intents=(JOB_STATUS, QUARANTINE, MASS_PROBLEM, WHEN),
    about=About.TENANT,
    resolve=the_tenant,
    collectors=ABOUT_THE_TENANT,
    rules=TENANT_RULES,
    view=status_answer,
)
