"""Help: what can be asked, what can be done, what probes are for, in the words to ask it with."""

from bot.answering import About, Skill
from skills.meant import the_tenant
from skills.phrases import HELP, OTHER, PROBE_ABOUT
from skills.views.help import acts_help, help_answer, probes_help
from skills.views.what_is_a_probe import about_probes

helping = Skill(intents=(HELP, OTHER), about=About.NOTHING, resolve=the_tenant, view=help_answer)
helping_acts = Skill(intents=(HELP,), about=About.NOTHING, resolve=the_tenant, view=acts_help, topics=("acts",))
helping_probes = Skill(intents=(HELP,), about=About.NOTHING, resolve=the_tenant, view=probes_help, topics=("probes",))
what_is_a_probe = Skill(intents=(PROBE_ABOUT,), about=About.NOTHING, resolve=the_tenant, view=about_probes)
