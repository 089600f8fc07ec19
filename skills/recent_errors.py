"""Who failed lately, and what was changed lately: the two lists an admin asks for before the first coffee."""

from bot.answering import About, Skill
from skills.collectors.log import recent_rows
from skills.collectors.tenant import configuration_changes, now
from skills.meant import the_tenant
from skills.phrases import CONFIG_CHANGES, RECENT_ERRORS
from skills.views.lists import changes_answer, errors_answer

recent_errors = Skill(
    intents=(RECENT_ERRORS,),
    about=About.TENANT,
    resolve=the_tenant,
    collectors=(now, recent_rows),
    view=errors_answer,
)
config_changes = Skill(
    intents=(CONFIG_CHANGES,),
    about=About.TENANT,
    resolve=the_tenant,
    collectors=(now, configuration_changes),
    view=changes_answer,
)
