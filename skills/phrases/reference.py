"""What can be looked up without looking at anybody: codes, events, limits, instructions."""

from bot.intents import Intent

EXPLAIN_CODE = Intent(
    "explain_code",
    (
        "what [does|is] [error|code] {code} [mean]",
        "(explain|meaning of|lookup|decode) [error|code] {code}",
        "{code} ... (mean|meaning|help|why|explain)",
        "(error|code|status|reason|getting|see|says|throws) {code}",
        "why [do] [i|we] [get|see] {code}",
        "{code} (on|for|in|from|during) ... (account|sync|server|agent|job|portal|log|user|provisioning)",
        "what [does] [this|that|the] (error|code|message) [mean]",
        "... {code} ...",
    ),
    "what does HybridIdentityServiceNoActiveAgents mean",
    "code",
    yields=True,
)

EXPLAIN_EVENT = Intent(
    "explain_event",
    (
        "event [id] {event} ...",
        "(eventid|id) {event}",
        "what is event {event}",
        "performance counter [error] => performance-counters",
        "(red|error|warning) ... (agent log|event log|eventlog|event viewer) ... => performance-counters",
    ),
    "what does event 7041 mean",
    "event",
    yields=True,
)

LIMITS = Intent(
    "limits",
    (
        "nested group [member] ... => nested-groups",
        "nested group [member] not sync [is that supported] => nested-groups",
        "(group in group|nesting) ... (support|sync|work) => nested-groups",
        "(how many|maximum|max) ... (member|members) => group-size",
        "group ... (more than|over|with|larger) ... {count} [member] => group-size",
        "(large|big|huge) group ... (support|limit|sync|member) => group-size",
        "{count} member [limit|support] => group-size",
        "how many (ou|ous|container|organizational unit) ... => ou-count",
        "(maximum|max|limit) ... (ou|ous|container) => ou-count",
        "(hard match|hard-match|match) ... (admin|role|privileged) ... => hard-match-admin",
        "how many (object|user|agent|domain|configuration|forest) ... (support|can|per|sync|maximum|allowed) => size",
        "(how big|size limit|limits|limit|maximum) ... (cloud sync|sync|tenant|configuration|job) => size",
        "what are the limits => size",
        "is ... supported",
        "(does|can) cloud sync [support|do|handle] ...",
    ),
    "how many OUs can I select in one configuration",
    yields=True,
)

HOWTO = Intent(
    "howto",
    (
        "(removed|deleted|disabled) (configuration|config|job) ... (still|there|user) ... => configuration-removed",
        "(remove|delete) [the] (configuration|config) ... what happens => configuration-removed",
        "(two|several|multiple|more) agent ... (load|balance|failover|failed over|redundant) => several-agents",
        "load (balancing|balanced) => several-agents",
        "(high availability|failover|redundancy) => several-agents",
        "(put|install|run|place) ... agent on ... => agent-placement",
        "agent on ... (domain controller|server core|connect box|2025|2022|2019|2016) => agent-placement",
        "(where|which server) ... install ... agent => agent-placement",
        "how ... (install|set up|setup) [the|an] [new] agent => install-agent",
        "how ... (uninstall|remove) [the|an] [old] agent => remove-agent",
        "how ... (move|migrate|switch|change) ... (connect|cloud sync) => migrate",
        "how ... (enable|turn on|switch on) ... (password hash|writeback|exchange hybrid) => enable-feature",
        "how do i ... (configure|filter|select|exclude|include|add) ... (ou|scope|mapping|group) => configure-scope",
    ),
    "two agents installed, is it load balancing",
    yields=True,
)
