"""Which deletions are held? Looked at before anybody lets them through."""

from bot.answering import About, Skill
from skills.collectors.configuration import delete_threshold
from skills.collectors.held_deletions import held_deletions as collected
from skills.collectors.tenant import now
from skills.meant import the_tenant
from skills.phrases import DELETES_PENDING
from skills.views.held_deletions import held_answer

held_deletions = Skill(
    intents=(DELETES_PENDING,),
    about=About.TENANT,
    resolve=the_tenant,
    collectors=(now, collected, delete_threshold),
    view=held_answer,
)
