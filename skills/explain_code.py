"""What does this code mean? From the dictionary alone; no source is asked."""

from bot.answering import About, Skill
from skills.meant import the_tenant
from skills.phrases import EXPLAIN_CODE, EXPLAIN_EVENT
from skills.views.codes import code_answer

explain_code = Skill(intents=(EXPLAIN_CODE, EXPLAIN_EVENT), about=About.NOTHING, resolve=the_tenant, view=code_answer)
