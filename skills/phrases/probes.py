"""The probes themselves: which there are, and taking one into service or out of it."""

from bot.intents import Intent

PROBE_ABOUT = Intent(
    "probe_about",
    (
        "what is [a|the|your] =probe",
        "what (are|do) [the|your] =probes [for|do]",
        "(why|when) [do|should|would] [i|we] need [a|the] (=probe|=probes)",
        "(do|must) (i|we) need [a|the] (=probe|=probes)",
        "(explain|tell me about|describe) [a|the|your] (=probe|=probes)",
        "how [do|does|can] [i|we|one] (install|set up|setup|deploy|get) [a|the|another|new] (=probe|=probes)",
        "how [do|does] [a|the|your] (=probe|=probes) work",
        "(is|are) [a|the|your] (=probe|=probes) (safe|secure|dangerous)",
        "what (can|could|may) [a|the] (=probe|=probes) [not] (do|see|read|touch)",
    ),
    "what is a probe",
)

PROBE_LIST = Intent(
    "probe_list",
    (
        "=probes",
        "(list|show|which|what|how many|see|give me) [me] [the|our|all|my] [enrolled] =probes",
        "(which|what|how many) =probes (enrolled|do we have|exist|known|running|there|online|silent|revoked)",
        "=probe (status|state|list|overview|version|heartbeat)",
        "=probes (enrolled|status|state|list|overview|version|heartbeat|ok|healthy|up|alive|online|silent)",
        "(status|state|version|heartbeat) of [the|our|all] =probes",
        "(enrolled|invited|waiting|revoked|silent) =probes",
        "(is|are) [there] [any] =probes [enrolled]",
        "is there [a|any] =probe (on|at|for) {host}",
        "(when|have) [did] you [last] (hear|heard) (from|of) {host}",
        "(is|does) {host} (talking|talk|reporting|report|speaking|speak) to (you|us|the bot)",
    ),
    "probes",
    "tenant",
)

PROBE_ENROL = Intent(
    "probe_enrol",
    (
        "(=enrol|=enroll|=re-enrol|=re-enroll|=reenrol|=invite) [the|a|new] [probe|server|host] [on|for] {host}",
        "(=enrol|=enroll|=invite|=add|=register|=install|=create|=new) [a|the|new|another] probe",
        "(=enrol|=enroll|=invite|=add|=register|=install|=create|=new) [a|the|new|another] probe (for|on|at) {host}",
        "(=enrol|=enroll|=invite|=add|=register) {host} (as|to) [a|the] [new] (probe|probes)",
        "(=enrol|=enroll|=invite|=add|=register) probe {host}",
        "(=enrol|=enroll|=re-enrol|=re-enroll)",
    ),
    "enrol SRV-SYNC01",
    "host?",
    acts=True,
)

PROBE_CONFIRM = Intent(
    "probe_confirm",
    (
        "=confirm [the] [probe|server|host] {host}",
        "=confirm [the] [probe|server|host] {host} [with|and|has] [the] (fingerprint|key) ...",
        "=confirm {host} ...",
        "=confirm",
    ),
    "confirm SRV-SYNC01 and the fingerprint that it shows",
    "host?",
)

PROBE_REVOKE = Intent(
    "probe_revoke",
    (
        "(=revoke|=unenrol|=unenroll|=decommission) [the] [probe|server|host] [on|of] {host}",
        "(=revoke|=remove|=delete|=drop|=retire|=unenrol|=unenroll|=disable|=block) [the|a] probe [on|of|from] {host}",
        "(=revoke|=remove|=delete|=drop|=retire|=unenrol|=unenroll) [the|a] probe",
        "(=remove|=delete|=drop|=retire) {host} from [the|our|my] (probe|probes)",
        "=revoke",
    ),
    "revoke SRV-SYNC01",
    "host?",
    acts=True,
)
