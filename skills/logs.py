"""Logs for one person: what each row means, which steps it took, and what it changed."""

from bot.answering import About, Skill
from skills.collectors.log import attempts, subject_rows
from skills.collectors.subject import identity
from skills.collectors.tenant import now
from skills.meant import the_person
from skills.phrases import LOGS
from skills.views.logs import logs_answer

logs = Skill(
    intents=(LOGS,),
    about=About.PERSON,
    resolve=the_person,
    collectors=(now, identity, subject_rows, attempts),
    view=logs_answer,
)
