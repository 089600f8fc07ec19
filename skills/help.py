"""Help: what can be asked, in the words to ask it with."""

from bot.answering import About, Skill
from skills.meant import the_tenant
from skills.phrases import HELP, OTHER
from skills.views.help import help_answer

helping = Skill(intents=(HELP, OTHER), about=About.NOTHING, resolve=the_tenant, view=help_answer)
