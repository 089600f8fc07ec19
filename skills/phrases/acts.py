"""What can be asked to be done."""

from bot.intents import Intent
from skills.phrases.words import RUN

RUN_NOW = Intent(
    "run_now",
    (
        "do it now (for|with) {who}",
        "do {who} now",
        "(=sync|=provision|=push|=run|=synchronise|=synchronize|=process) {who} [now|again|immediately|on demand]",
        "=run {who} (now|again)",
        f"(force|trigger|start|run|kick off) [a|the] [new|delta] {RUN} [for] {{who}}",
        f"(force|trigger|start|run|kick) [off] {RUN} [now]",
        "(run|use|do|start) provision on demand [for {who}]",
        "provision on demand {who}",
        "=provision {who} on demand",
        "(=force|=kick|=trigger|=retry|=resync|=re-sync) {who}",
        "sync now",
        "run (it|one|now) [now]",
        "do it now",
    ),
    "sync jdoe now",
    "person",
    acts=True,
)

ALLOW_DELETES = Intent(
    "allow_deletes",
    (
        "let [the] (delete|deletion) [go] through",
        "(allow|approve|accept|release|permit|confirm|force) [the|all] [staged|pending|held] (delete|deletion)",
        "(delete|deletion) [are] (ok|fine|intended|meant|intentional|wanted)",
    ),
    "let the deletes through",
    "tenant",
    acts=True,
)

CLEAR_RESTART = Intent(
    "clear_restart",
    (
        "restart [the] (provisioning|sync|job|synchronisation|synchronization|configuration|cycle)",
        "(clear|lift|remove|reset|end|leave|release) [the] (quarantine|escrow)",
        "(clear|lift|remove|reset|end|release) [the] quarantine of [the|passwords] ...",
        "(restart|reset) [the] job",
        "get (it|us|job) out of quarantine",
        "start over [sync]",
    ),
    "clear the quarantine",
    "tenant",
    acts=True,
)

FULL_SYNC = Intent(
    "re_evaluate",
    (
        f"[force|trigger|start|run|kick off|do] [a|the] (full|initial) (resync|restart|{RUN[1:-1]}) [now]",
        "(re-evaluate|reevaluate|evaluate) (everybody|everyone|everything|all) [again|anew]",
        "(re-evaluate|reevaluate) [all] (object|user|account|people)",
        "(clear|reset|remove) [the] watermark",
        "(full|initial) (sync|cycle|resync) of ...",
    ),
    "re-evaluate everybody",
    "tenant",
    acts=True,
)

PAUSE = Intent(
    "pause_job",
    (
        "(pause|stop|suspend|hold|halt|disable) [the] (job|provisioning|configuration|sync|synchronisation)",
        "(pause|stop|suspend|hold|halt|disable) [the] job of ...",
    ),
    "pause the job",
    "tenant",
    acts=True,
)

START = Intent(
    "start_job",
    (
        "(resume|unpause|start|enable|continue) [the] (job|provisioning|configuration)",
        "(resume|unpause|continue) [the] (sync|synchronisation|synchronization)",
        "(start|enable|switch on|turn on) [the] (sync|synchronisation|synchronization) again",
        "(=resume|=unpause)",
        "(resume|unpause|start|enable|continue) [the] job of ...",
    ),
    "start the job",
    "tenant",
    acts=True,
)

SPLIT_BRAIN = Intent(
    "split_brain",
    (
        "(fix|solve|resolve|untangle|clean up|sort out|guide|heal|repair) [the|me through] split brain [of|for] {who}",
        "split brain [of|for] {who}",
        "which [of the|of] (account|two|one|object) [should i|do i|to] (keep|delete|drop) [of|for] {who}",
        "(merge|join|match|link) [the|both|two] account [of|for] {who}",
        "(merge|join|match|link) {who} [with|to] [the|their] (cloud|ad) account",
    ),
    "fix the split brain of jdoe",
    "person",
)

REPAIR_ACCOUNT = Intent(
    "repair_sync_account",
    (
        "(repair|fix|recreate|restore|reset|renew) [the] (sync|synchronisation|directory|service) account",
        "(repair|fix|recreate) [the] adtoaadsyncserviceaccount",
    ),
    "repair the sync account",
    "tenant",
)

DELETE_GUARD = Intent(
    "delete_guard",
    (
        "(raise|change|increase|lower|disable|remove|set|turn off|switch off|lift) [the] [accidental] [tenant] "
        "(delete|deletion) (threshold|guard|limit|prevention|protection)",
        "(disable|turn off|switch off) accidental (delete|deletion) [prevention|protection|threshold]",
    ),
    "switch off the delete guard",
    "tenant",
)

RESTORE = Intent(
    "restore",
    (
        "(=restore|=undelete|=recover) {who} [from recycle bin]",
        "(=bring|=get) {who} back",
        "(=bring|=get) back {who} [from recycle bin]",
        "(=restore|=undelete|=recover) [the|a|deleted] (user|account|people|object)",
        "{who} (back|out) [from|of] recycle bin",
        "recycle bin {who}",
        "(from|out of) [the] recycle bin",
        "undo [the] (delete|deletion) [of|for] {who}",
    ),
    "restore kim from the recycle bin",
    "person",
    yields=True,
)

WATCH = Intent(
    "watch",
    (
        "(tell|notify|alert|ping|inform|message) me (when|once|if|as soon as) {who} ...",
        "(watch|follow|monitor|keep an eye on|keep watching) {who}",
        "(let|tell) me know (when|once|if) {who} ...",
        "(tell|notify|alert) me when ...",
    ),
    "tell me when jdoe is in",
    "person",
)
