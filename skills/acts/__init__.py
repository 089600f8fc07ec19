"""Everything that the bot can change, written out; what goes out is made in `request_body` alone."""

from bot.acts import Action
from skills.acts.allow_deletes import allow_deletes
from skills.acts.clear_quarantine import clear_quarantine
from skills.acts.job_switch import pause_job, start_job
from skills.acts.not_ours import not_ours
from skills.acts.provision_on_demand import provision_on_demand
from skills.acts.re_evaluate import re_evaluate
from skills.acts.restore_user import restore_user
from skills.acts.split_brain import split_brain

__all__ = ["ACTIONS", "GUIDES"]

ACTIONS: tuple[Action, ...] = (
    provision_on_demand,
    clear_quarantine,
    re_evaluate,
    pause_job,
    start_job,
    allow_deletes,
    restore_user,
)
GUIDES = (split_brain, not_ours)
"""Asked for like acts, and only explained: to be served beside the other questions."""
