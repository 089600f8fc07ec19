"""What can be asked to be done."""

from bot.intents import Intent
from skills.phrases.words import RUN

RUN_NOW = Intent(
    "run_now",
    (
        "do it now (for|with) {who}",
        "do {who} now",
        "(=sync|=provision|=push|=run|=synchronise|=synchronize|=process) {who} [now|again|immediately|on demand]",
        f"(force|trigger|start|run|kick off) [a|the] [new|full|delta] {RUN} [for] {{who}}",
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
        "(clear|lift|remove|reset|end|leave|release) [the] (quarantine|escrow|watermark)",
        "(full|initial) (resync|sync|cycle|restart) [now]",
        "(resume|unpause|start|enable) [the] (job|provisioning|configuration)",
        "(restart|reset) [the] job",
        "get (it|us|job) out of quarantine",
        "start over [sync]",
    ),
    "clear the quarantine",
    "tenant",
    acts=True,
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
