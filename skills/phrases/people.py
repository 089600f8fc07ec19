"""One person or group: why, since when, what happened."""

from bot.intents import Intent
from skills.phrases.words import GONE, IN, NEWCOMER, NOT_THERE, ONE, POD, SYNC, USERS

WHY_USER = Intent(
    "why_user",
    (
        f"why {{who}} {NOT_THERE}",
        f"why {{who}} not {IN}",
        "why {who} (missing|unsynced|failing|fail|stuck|skipped|not there|not in sync|not ok)",
        f"why (does|do|is) {{who}} (fail|missing) [{IN}]",
        f"why not {{who}} (sync|synchronise|synchronize|provisioned|in {IN})",
        "what is wrong with {who}",
        "what [is] going on with {who}",
        "{who} (gets|has|fails with|failed with|error|fails|failed) {code}",
        "why does {who} (get|have|fail with|show) {code}",
        "what (stops|blocks|prevents|keeps) {who}",
        "(diagnose|troubleshoot|investigate|explain|analyse|analyze) {who}",
        f"{{who}} ... {NOT_THERE}",
        f"{{who}} ... [still] not {IN}",
        f"{{who}} missing [{IN}]",
        "{who} (failed|fails|failing) to (sync|provision)",
        "{who} (sync|provisioning) (failed|failing|broken|stuck|error)",
        "(problem|trouble|issue) with {who}",
        "why is {who} not (working|right)",
        f"new {NEWCOMER} ... {NOT_THERE}",
        f"new {NEWCOMER} ... (missing|not {IN})",
        f"why {ONE} {NOT_THERE}",
        f"why {ONE} (missing|not {IN})",
        f"{ONE} (exist|is there|is) in (ad|active directory|domain) ... not {IN}",
        f"{ONE} {{who}} ({NOT_THERE}|missing)",
        f"{ONE} (missing|not {IN})",
        f"{ONE} {NOT_THERE}",
        "provision on demand ... object not exist",
        "provision on demand ... (fails|failed|error|not found|not exist)",
        "pod ... (fails|failed|error|object not exist|not found)",
        "object not exist",
        "{who} not (sign in|log in|sign on|log on|login|logon) [to] [teams|outlook|office|m365|windows]",
        "why not {who} (sign in|log in|sign on|log on|login|logon)",
    ),
    "why isn't jdoe syncing",
    "person",
)

STATUS_USER = Intent(
    "status_user",
    (
        "is {who} (sync|synchronised|synchronized|provisioned|ok|fine|healthy|there)",
        "is {who} [already] in (sync|entra|cloud|azure|office|m365|o365|tenant|aad)",
        "is {who} up to date",
        "when did {who} last sync",
        "last sync (of|for) {who}",
        "when was {who} (synced|provisioned|last seen)",
        "what does the cloud (think|know|say|have) about {who}",
        "what (do we know|is known) about {who}",
        "(check|status|show|look up|lookup|find|look at|state|verify) {who}",
        f"{SYNC} (status|state) {{who}}",
        "{who} (status|state)",
        "{who} [sync] (ok|fine)",
        "has {who} (arrived|been synced|made it|come)",
        "does {who} (exist|sync)",
        "how is {who} (doing|today)",
        "(what|how) about {who}",
        "who is {who}",
        "{who}",
    ),
    "is jdoe synced",
    "person",
)

WHY_GROUP = Intent(
    "why_group",
    (
        f"why group {{group}} (missing|not {IN}|{NOT_THERE})",
        f"why {{group}} group (missing|not {IN}|{NOT_THERE})",
        f"group {{group}} (missing|not {IN}|{NOT_THERE})",
        f"{{group}} group (missing|not {IN}|{NOT_THERE})",
        "(check|diagnose|status) group {group}",
        "group {group} (not (updated|change|right|current|written)|wrong|old|stuck|stale|fails|failing)",
        "is group {group} (sync|in)",
        f"(distribution|security|mail-enabled) (list|group) ... (missing|{NOT_THERE})",
        f"why (group|distribution list|dl) {NOT_THERE}",
        f"(group|distribution list) {NOT_THERE}",
        "contact [object] (not|never) (come|sync|appear|show|there|arrive|export) => contacts",
        "contact [object] (missing|skipped) => contacts",
        "contact {group} (not|never) (come|sync|appear|show|arrive) => contacts",
        "(distribution|security|mail-enabled) (list|group) {group} (missing|not)",
        "(does it|can it|do) sync contact => contacts",
    ),
    "why is group Sales-EU not in Entra",
    "group",
)

WHY_MEMBER = Intent(
    "why_member",
    (
        "member ... (missing|not sync|never appear|not appear|not there|not in)",
        "(group|list) synced ... (member|membership) (missing|empty|wrong|incomplete)",
        "(member|membership) of {group} (missing|never|not|wrong|incomplete|empty)",
        "why {who} not [a] member of {group}",
        "why {who} not in group {group}",
        "is {who} [a] member of {group}",
        "{who} (missing|not) in group {group}",
        "{who} not member of {group}",
        "(group|list) [is] empty [in entra|cloud|azure|office|tenant]",
        "(group|{group}) has no member",
        "membership (missing|wrong|incomplete|not sync|not updated)",
        "member added to {group} not",
    ),
    "why are members of Sales-EU missing",
    "group",
)

WHY_DELETED = Intent(
    "why_deleted",
    (
        f"why ... {GONE} [from|in] (tenant|entra|cloud|azure|office|m365|o365)",
        f"why {{who}} {GONE}",
        f"why {USERS} {GONE}",
        f"why {{count}} {USERS} {GONE}",
        f"{{who}} {GONE} [{IN}]",
        f"{USERS} {GONE} (in|from) (entra|tenant|cloud|azure|office|365|m365|o365)",
        f"moved ... (ou|account|user) ... {GONE}",
        f"{{count}} {USERS} {GONE}",
        "(who|what) (deleted|removed) {who}",
        "(who|what) (deleted|removed) (account|user|people)",
        "{who} (soft-deleted|soft deleted)",
        "is {who} in recycle bin",
        "why was {who} (deleted|removed|disabled)",
    ),
    "why was jdoe deleted in Entra",
    "person?",
)

SCOPE_CHECK = Intent(
    "scope_check",
    (
        "is {who} [in|out of] [the] scope",
        "why {who} (not in|out of|outside) scope",
        "{who} (out of|outside|not in|in) scope",
        "(scope|scoping) [filter] (check|of|for) {who}",
        "(would|will|does) [the] scope (include|contain|cover) {who}",
        "(check|show|test|explain) (scope|scoping) [filter]",
        f"{POD} ... (work|green|succeed|success|fine|ok) ... (not|never|skip) ... (schedule|cycle) [run]",
        f"{POD} ... (scheduled|schedule|cycle) [run]",
        f"{POD} ... (work|green|succeed|success|fine|ok) ... (not|never|skip)",
        "(which|what) (ou|group|filter) ... scope",
        "(scope|scoping) filter",
        "is [the] [ou] {ou} ([in] scope|selected|included|synced)",
        "is [the] [ou] {ou} in scope",
    ),
    "is jdoe in scope",
    "person?",
)

WHICH_TOOL = Intent(
    "which_tool",
    (
        "(is|which|who|what) ... {who} ... (connect|cloud sync) or [by|from|in] (connect|cloud sync)",
        "{who} ... (connect or|cloud sync or) ...",
        "(connect|aadconnect|entra connect) or cloud sync",
        "cloud sync or [entra|azure ad|aad] connect",
        "(which|what) (tool|engine|sync|product) [is] (sync|handle|own|manage|responsible) {who}",
        "(which|what) (tool|engine) ... {who}",
        "{who} (synced|handled|managed|owned) by [entra|aad|azure ad] (connect|cloud sync|which)",
        "who (syncs|handles|owns|manages|masters) {who}",
        "(connect|cloud sync) ... both [sync]",
    ),
    "is jdoe handled by Connect or by cloud sync",
    "person?",
)

COMPARE = Intent(
    "compare",
    (
        "compare {who} [with|to|and|against] {who}",
        "compare ... {who}",
        "(difference|differences|diff|differ) between {who} and {who}",
        "difference between {who}",
        "{who} (works|syncs|ok|fine) ... {who} (not|does not|fail)",
        "why does {who} (work|sync) ... {who} not",
        "{who} (vs|versus) {who}",
        "compare (two|them|users|accounts)",
    ),
    "compare jdoe with asmith",
    "pair",
)

LOGS = Intent(
    "logs",
    (
        "(log|history|timeline|event|record) [entries] (for|of|about) {who}",
        "(show|list|give|get) [the] [provisioning|sync|audit] (log|history|timeline) {who}",
        "(provisioning|sync|audit) (log|history|record) [of|for] {who}",
        "what happened (to|with) {who}",
        "what happened {who}",
        "{who} (log|history|timeline)",
        "[provisioning] log",
    ),
    "provisioning log of jdoe",
    "person",
)

WHEN = Intent(
    "when",
    (
        "when (will|is|does) {who} [be] (synced|sync|appear|there|provisioned|show|next|ready|done)",
        "when {who} (synced|turn)",
        "when [is] next (cycle|run|sync|synchronisation|synchronization)",
        "next (cycle|run|sync)",
        "how often ... (run|sync|cycle|this)",
        "how long ... (take|until|sync|wait|cycle) ...",
        "how long ... until {who} [is there|in|synced]",
        "how long ... {who} [take]",
        "when",
        "when does (it|sync|provisioning|job|cycle) [next] run",
        "(sync|cycle) (interval|frequency|schedule)",
        "when will (it|they|user|account|change) (sync|arrive|appear|be there)",
        "how fast ... sync",
    ),
    "when will jdoe be synced",
    "person?",
)
