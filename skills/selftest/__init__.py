"""`selftest`: the bot looks at itself and at what its tenant lets it see, for admins."""

from bot.answering import About, Answer, Ask, Command
from bot.doctor.report import examined
from bot.reach import Reach
from skills.phrases import SELFTEST
from skills.selftest.checks import tenant_checks
from skills.selftest.view import told

__all__ = ["selftest", "tenant_checks"]


async def _run(ask: Ask, reach: Reach) -> Answer:
    report = await examined([*reach.itself.checks(), *tenant_checks(reach)], reach.clock)
    return told(ask, report, reach.graph.calls)


selftest = Command((SELFTEST,), About.BOT, _run, private=True, typed=False)
