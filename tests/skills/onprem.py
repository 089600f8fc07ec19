"""All rules of the on-premises layers, and what they say of a piece of evidence."""

from collections.abc import Mapping

from worlds import HEALTHY

from bot.diagnosis import Certainty, Diagnosis, Kind, Rule, diagnose
from bot.evidence import Evidence, Fact, Missing
from skills.rules.ad_link import AD_LINK
from skills.rules.ad_lookup import AD_LOOKUP
from skills.rules.agent import AGENT
from skills.rules.agent_host import AGENT_HOST
from skills.rules.agent_install import AGENT_INSTALL
from skills.rules.agent_registration import AGENT_REGISTRATION
from skills.rules.agent_service import AGENT_SERVICE_RULES
from skills.rules.agent_several import AGENT_SEVERAL
from skills.rules.certificates import CERTIFICATES
from skills.rules.channel import CHANNEL
from skills.rules.credentials import CREDENTIALS
from skills.rules.gmsa_creation import GMSA_CREATION
from skills.rules.long_connection import LONG_CONNECTION
from skills.rules.network_names import NETWORK_NAMES
from skills.rules.network_paths import NETWORK_PATHS
from skills.rules.network_routes import NETWORK_ROUTES
from skills.rules.read_rights import READ_RIGHTS

NETWORK: tuple[Rule, ...] = CHANNEL + CERTIFICATES + LONG_CONNECTION + NETWORK_NAMES + NETWORK_PATHS + NETWORK_ROUTES
AGENTS: tuple[Rule, ...] = AGENT_REGISTRATION + AGENT_SERVICE_RULES + AGENT_SEVERAL + AGENT_HOST + AGENT_INSTALL + AGENT
ACCOUNTS: tuple[Rule, ...] = CREDENTIALS + GMSA_CREATION + READ_RIGHTS
DIRECTORY: tuple[Rule, ...] = AD_LINK + AD_LOOKUP
ONPREM: tuple[Rule, ...] = NETWORK + AGENTS + ACCOUNTS + DIRECTORY

Row = tuple[Mapping[type[Fact], Fact | Missing], list[str]]
"""A change from healthy, and what is said: roots with `!` where proven, notes in brackets."""


def judged(change: Mapping[type[Fact], Fact | Missing], world: Evidence = HEALTHY) -> Diagnosis:
    return diagnose(world | change, ONPREM)


def said(change: Mapping[type[Fact], Fact | Missing], world: Evidence = HEALTHY) -> list[str]:
    diagnosis = judged(change, world)
    roots = [f"{each.id}{'!' if each.finding.certainty is Certainty.PROVEN else ''}" for each in diagnosis.roots]
    return roots + [f"({each.id})" for each in diagnosis.found if each.rule.kind is Kind.NOTE]


def named(rows: Mapping[str, Row]) -> set[str]:
    return {each.strip("()!") for _, ids in rows.values() for each in ids}
