"""All rules, written out in the order of the pipeline: an upstream cause comes before its effects."""

from bot.diagnosis import Rule
from bot.evidence import Fact
from skills.facts.directory import AccountRoles, CloudAccount, Holders, RecycleBin, SourceOfAuthority
from skills.facts.jobs import SubjectJob
from skills.facts.log import Attempts, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Access, Control, Directory
from skills.facts.subject import AdAccount, Identity, Placement
from skills.rules.ad_link import AD_LINK
from skills.rules.ad_lookup import AD_LOOKUP
from skills.rules.ad_objects import AD_OBJECTS
from skills.rules.agent import AGENT
from skills.rules.agent_host import AGENT_HOST
from skills.rules.agent_install import AGENT_INSTALL
from skills.rules.agent_registration import AGENT_REGISTRATION
from skills.rules.agent_service import AGENT_SERVICE_RULES
from skills.rules.agent_several import AGENT_SEVERAL
from skills.rules.anchors import ANCHORS
from skills.rules.attributes import ATTRIBUTES
from skills.rules.certificates import CERTIFICATES
from skills.rules.channel import CHANNEL
from skills.rules.cloud import CLOUD
from skills.rules.cloud_account import CLOUD_ACCOUNT
from skills.rules.cloud_tenant import CLOUD_TENANT
from skills.rules.coded import rules_from_codes
from skills.rules.credentials import CREDENTIALS
from skills.rules.gmsa_creation import GMSA_CREATION
from skills.rules.long_connection import LONG_CONNECTION
from skills.rules.mappings import MAPPINGS
from skills.rules.matching import MATCHING
from skills.rules.names import NAMES
from skills.rules.network_names import NETWORK_NAMES
from skills.rules.network_paths import NETWORK_PATHS
from skills.rules.network_routes import NETWORK_ROUTES
from skills.rules.ownership import OWNERSHIP
from skills.rules.passwords import PASSWORDS
from skills.rules.quarantine import QUARANTINE
from skills.rules.read_rights import READ_RIGHTS
from skills.rules.schedule import SCHEDULE
from skills.rules.scope import PLACES
from skills.rules.scope_limits import LIMITS
from skills.rules.site_gaps import SITE_GAPS
from skills.rules.twins import TWINS
from skills.rules.visibility import VISIBILITY
from skills.rules.writeback import WRITEBACK

RULES: tuple[Rule, ...] = (
    # network
    *NETWORK_NAMES,
    *CHANNEL,
    *CERTIFICATES,
    *NETWORK_PATHS,
    *NETWORK_ROUTES,
    *LONG_CONNECTION,
    # agent and the server it runs on
    *CREDENTIALS,
    *GMSA_CREATION,
    *AGENT_HOST,
    *AGENT_INSTALL,
    *AGENT_REGISTRATION,
    *AGENT_SERVICE_RULES,
    *AGENT_SEVERAL,
    *SITE_GAPS,
    *AGENT,
    # between agent and directory
    *AD_LINK,
    *READ_RIGHTS,
    # the account that sync uses in the cloud, and the job
    *CLOUD_ACCOUNT,
    *CLOUD_TENANT,
    *QUARANTINE,
    # the object and its way
    *NAMES,
    *AD_LOOKUP,
    *AD_OBJECTS,
    *PLACES,
    *LIMITS,
    *ATTRIBUTES,
    *MAPPINGS,
    *TWINS,
    *ANCHORS,
    *MATCHING,
    *CLOUD,
    *rules_from_codes(),
    *PASSWORDS,
    *WRITEBACK,
    *SCHEDULE,
    # not ours
    *OWNERSHIP,
    *VISIBILITY,
)

ABOUT_SOMEBODY: frozenset[type[Fact]] = frozenset(
    {Access, AccountRoles, AdAccount, Attempts, CloudAccount, Control, Directory, Holders, Identity, Placement}
    | {RecycleBin, SourceOfAuthority, SubjectJob, SubjectRows, SyncSchema}
)
TENANT_RULES: tuple[Rule, ...] = tuple(
    each for each in RULES if not any(fact in ABOUT_SOMEBODY and not optional for fact, optional in each.needs)
)
"""The rules that can judge when nobody in particular is meant."""
