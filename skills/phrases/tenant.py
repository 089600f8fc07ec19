"""The whole of it: is sync healthy, what failed, what changed."""

from bot.intents import Intent
from skills.phrases.words import IN, MANY, NOT_THERE, SYNC

SEVERAL = "(all|many|several|multiple|half|most|some|{count}) [of]"
WHOM = "(user|account|people|object|starter)"
SETTINGS = "(scope|mapping|configuration|config|filter|setting|schema|job|provisioning|sync|threshold|quarantine|it)"

MASS_PROBLEM = Intent(
    "mass_problem",
    (
        "(zero|no|0) (user|object|account|people) (sync|come|appear|arrive|provisioned)",
        "agent (healthy|active|ok|fine|green|running) ... (zero|no|nothing|none) ... (sync|user)",
        "nothing [has] (synced|sync|happened|happens|come|comes|works|arrives|flows|through)",
        "nothing ... since {time}",
        "(everyone|everybody|everything|all) ... (missing|not sync|not there|broken|failing|not in)",
        "(everyone|everybody|all) created ... missing",
        f"{SEVERAL} [new] {WHOM} ... (missing|{NOT_THERE}|not {IN}|not through)",
        f"why {MANY} {NOT_THERE}",
        f"why {MANY} (missing|not {IN})",
        f"why not [all|any|many|new] {MANY} (sync|{IN})",
        f"{MANY} {NOT_THERE}",
        f"{MANY} (missing|not {IN})",
        "why not ... (team|department|office|site|branch|school|=users|people) (sync|in|there|come)",
        "(nobody|no one|no user|none) (sync|come|appear|arrive|through)",
        "(user|account|people) in {ou} not (come|sync|appear|through|show|arrive)",
        "(user|account|people|object) in (ou|container) {ou} (not|missing)",
        "only [the] (user|account|people) ... not",
        "half of [the] user ... not",
        "(user|account|people) ... (child|domain|forest) ... (not|never|missing) [sync]",
        "(user|account|people) from {domain} ... (not|missing)",
        f"why {SYNC} (not working|not work|broken|down|dead|stopped|failing|slow)",
        f"{SYNC} (broken|down|dead|stopped|stops|not working|not work|failing|stuck|hangs|slow)",
        "(sync|synchronisation|synchronization) [not] (working|work)",
        "(since|after) {time} (no|nothing|none)",
        "new (users|starters|accounts|hires|people) (not|missing)",
        "(is|does) [cloud] sync [service] (healthy|work|ok|fine|working|well)",
        "(sync|tenant) (health|healthy)",
        "how healthy is [the] sync",
        "is everything (ok|okay|fine|working|healthy|good|up)",
        "are =we (ok|okay|fine|healthy|good)",
        "what is (up|wrong|happening|going on) with [the] (sync|tenant|provisioning)",
        "(give|show) [me] overview",
        "(outage|incident|downtime)",
        "[is there|any] [microsoft|sync|service] (outage|incident)",
    ),
    "nothing has synced since last night",
    "tenant",
)

JOB_STATUS = Intent(
    "job_status",
    (
        f"is (job|configuration|{SYNC}) (running|active|on|alive|enabled|paused|disabled|stopped|started|up)",
        "(job|cycle|configuration|sync|provisioning) (status|state|progress)",
        "(status|state) of [the] (job|sync|configuration|provisioning|cycle)",
        "status",
        "(last|latest) (cycle|run|sync|successful sync)",
        "when did (it|sync|job|the cycle) last (run|succeed|work|finish)",
        "when was the last (sync|run|cycle)",
        "(initial|first) cycle (done|finished|running|long|progress|complete)",
        "did the (last|latest) (cycle|run|sync) (succeed|finish|work|fail)",
        "show [the|all] (job|configuration)",
    ),
    "is the sync running",
    "tenant",
    yields=True,
)

QUARANTINE = Intent(
    "quarantine",
    (
        "why ... (quarantine|quarantined)",
        "(job|sync|configuration|provisioning|app) ... (quarantine|quarantined)",
        "(quarantine|quarantined) ... (why|reason|error|cause|since)",
        "(says|in|into|shows) quarantine ...",
        "quarantine ... no error [listed]",
        "(keep|again|back|return) ... quarantine",
        "(what|reason|cause) ... quarantine",
        "how [far|close] ... quarantine",
        "(what|how) [can|could|should|do] [you|i|we] (do|help|fix) [about|against|with] [the|this|our] quarantine",
        "quarantine",
    ),
    "why is the job in quarantine",
    "tenant",
)

DELETES_PENDING = Intent(
    "deletes_pending",
    (
        "(delete|deletion) threshold ...",
        "(what|which|how many|list|show) ... (deletes|deletions) [are] [staged|pending|held|waiting]",
        "(what|which|who) [is|are] staged [for deletion]",
        "(pending|staged|held|waiting|blocked|stopped) (delete|deletion)",
        "(delete|deletion) (pending|staged|held|waiting|blocked|stopped)",
        "accidental (delete|deletion) [prevention|protection|threshold]",
        "too many deletes",
        "(review|inspect|see|look at|look through) [the|all] [held|staged|pending] (delete|deletion)",
        "(who|what|which) [user|account] [would|will] be (deleted|removed) [next]",
    ),
    "what deletions are held",
    "tenant",
)

RECENT_ERRORS = Intent(
    "recent_errors",
    (
        "(list|show|give|who|what|which) ... (failed|errors|failures|failing) [today|since|{time}]",
        "(list|show) [everyone|everything|all|user] [that] (failed|failing|errors)",
        "(recent|latest|last|today|current|open) (error|failure|problem)",
        "(errors|failures) (today|yesterday|{time}|recently|list)",
        "(what|who|which user) [is|are] failing",
        "how many (user|people|object|account) [have|has] (failed|fail|error|same error|affected)",
        "same (error|problem|failure) ... how many [user]",
        "(how many|who else) ... (same|affected|error)",
        "(error|failure) (report|summary|overview|count|list)",
        "what (went wrong|failed) [today|{time}]",
        "(top|main|most common) (cause|error|failure)",
    ),
    "who failed today",
    "tenant",
    yields=True,
)

CONFIG_CHANGES = Intent(
    "config_changes",
    (
        "(did|has|have) [anyone|anybody|someone|somebody] (change|changed|touch|touched|edit|edited|modify|modified)",
        f"(who|what|when) (changed|edited|modified|touched|restarted|paused|disabled|was changed) {SETTINGS}",
        "what [has] changed [since|{time}|recently|before|lately]",
        "(recent|latest|last|configuration|config|scope|mapping|schema) change",
        "(change|audit) (history|log)",
        f"who (restarted|cleared|changed|paused|disabled|enabled|stopped|deleted) {SETTINGS}",
        "why did ... (restart|provisioning restart)",
        "(scope|mapping|configuration|schema) (changed|edited|modified|touched)",
    ),
    "did anyone change the mapping or the scope yesterday",
    "tenant",
    yields=True,
)
