"""What stands on-premises: agents, servers, network, service account."""

from bot.intents import Intent

AGENT_HEALTH = Intent(
    "agent_health",
    (
        "[provisioning] agent (ok|healthy|health|fine|up|alive|status|state|active|online|running|good|working)",
        "(check|show|list|how) [our|my] agent",
        "agent (inactive|down|offline|dead|unhealthy|not active|gone|lost|disconnected)",
        "(old|removed|uninstalled|decommissioned) ... (server|agent|host) ... (still|list|listed)",
        "stale agent",
        "why [is] agent (inactive|down|offline|still|listed)",
        "(which|how many) agent (active|installed|running|we have|online)",
        "no [active] agent",
    ),
    "are my agents ok",
    "tenant",
    yields=True,
)

HOST_CHECK = Intent(
    "host_check",
    (
        "agent (inactive|down|offline) ... service running",
        "service [is] running ... agent inactive",
        "service ... (running|stopped|up|down) on {host}",
        "(check|test|probe|look at|inspect|diagnose|how) [the] (server|host|machine|box) {host}",
        "(check|test|probe|inspect|examine) (server|host|machine|box)",
        "(server|agent|host|box|machine) ... (reach|see|talk) ... (dc|dcs|domain controller|gc|global catalog|ldap|ad)",
        "(reach|see|contact) ... (domain controller|global catalog|gc)",
        "(server|host|box|machine) {host} (ok|healthy|up|alive|fine)",
        "is {host} (ok|healthy|up|alive|reachable|online|down)",
        "what is wrong with (server|host|machine|box)",
        "what is wrong with server {host}",
        "agent on {host}",
        "agent (service|server) (ok|check|started|running|stopped|crash|not start)",
        "(clock|time) (skew|wrong|drift|difference) [on] [server|{host}]",
        "domain controller (down|unreachable|not reachable|reachable|ok)",
        "(check|test|inspect|examine|diagnose) [the] =probe (on|of|at) {host}",
        "(test|inspect|examine|diagnose) {host}",
    ),
    "check server SRV-SYNC01",
    "host?",
    yields=True,
)

NETWORK_CHECK = Intent(
    "network_check",
    (
        "(which|what|list) (endpoint|url|port|host|address) ... (need|firewall|agent|open|allow|require|whitelist)"
        " => endpoints",
        "(which|what|list) (endpoint|url|port) ... (need|agent|open|allow) ... (government|gov|gcc|dod|china|21vianet)"
        " => endpoints",
        "(endpoint|url|port) ... firewall => endpoints",
        "[agent] endpoint list => endpoints",
        "firewall (team|rule|guilty|block|blocking|open|ask|problem|check)",
        "is ... firewall",
        "(test-netconnection|tnc|telnet|nslookup|ping|curl) ... ",
        "{domain} {count} (fail|fails|blocked|timeout|closed)",
        "(inspect|intercept|break|decrypt) ... (tls|ssl|https)",
        "(tls|ssl) (inspection|interception|inspect|error|handshake|broken|1.2)",
        "(network|proxy|connectivity|connection|dns) (check|test|ok|problem|issue|error|blocked|broken)",
        "(check|test) [the] (network|proxy|connectivity|connection|firewall|dns|websocket|port)",
        "proxy (block|wrong|settings|configured|407|authentication)",
        "(is|are) [our] [the] proxy",
        "(service bus|servicebus|websocket) [443] (blocked|fail|reachable|not reachable|unreachable|ok|check)",
        "(can|does) {host} (reach|contact) (internet|microsoft|cloud|azure|service bus|servicebus)",
        "(can|does) {host} (reach|contact|open|connect to|talk to) {domain}",
        "is {domain} (reachable|reached|open|blocked) from {host}",
        "(test|check) [the] (network|connectivity|connection) (from|on|of) {host}",
        "port 443 (open|closed|blocked)",
        "{domain} (blocked|reachable|unreachable|fails)",
        "why [is] {host} (silent|quiet|mute|unheard|unreachable)",
        "why [is] [the] (=probe|server|host|machine) [on|at] {host} (silent|quiet|mute|unheard|unreachable|offline)",
        "{host} [is|went|has gone] (silent|quiet|mute|unheard|unreachable)",
        "[the] (=probe|server|host|machine) [on|at] {host} (silent|quiet|mute|unheard|unreachable|offline)",
        "{host} not (answer|answering|respond|responding|reply|replying|talking) [to you]",
        "why not {host} (answer|respond|reply|talk) [to you]",
    ),
    "which endpoints does the agent need",
    "host?",
    yields=True,
)

GMSA_CHECK = Intent(
    "gmsa_check",
    (
        "gmsa ...",
        "(group managed|managed) service account",
        "(not|can't|cannot) start [the] (service|agent) ... (privilege|right|logon)",
        "insufficient privilege",
        "service account (broken|ok|check|locked|permission|right|working|wrong|fail)",
        "(provagentgmsa|pgmsa)",
        "log on as [a] service",
        "(missing|has|check) (permission|right) [of|for] [the] (service account|agent|gmsa)",
        "kds [root] key",
        "(check|test) [the] gmsa (on|of|from) {host}",
    ),
    "is the gMSA broken",
    "host?",
    yields=True,
)

DIRECTORY_CHECK = Intent(
    "directory_check",
    (
        "(test|check|probe) [the] (directory|active directory|ldap|domain controller)",
        "(test|check|probe) [the] (directory|active directory|ldap|domain controller) (from|on) {host}",
        "(directory|ldap|active directory) (test|check)",
    ),
    "test the directory from SRV-SYNC01",
    "host?",
    yields=True,
)

COMPARE_AGENTS = Intent(
    "compare_agents",
    (
        "compare [the|our|my|all] [provisioning] (=agents|=servers)",
        "(difference|differences|differ|different) (between|of) [the|our|my] [provisioning] (=agents|=servers)",
        "(how|where) [do] [the|our|my] (=agents|=servers) differ",
        "=agents side by side",
        "compare {host} (with|and|to|against) {host}",
        "(difference|differences) (between|of) {host} and {host}",
    ),
    "compare the agents",
    "tenant",
    yields=True,
)

FIREWALL_REQUEST = Intent(
    "firewall_request",
    (
        "firewall (request|ticket)",
        "firewall (request|ticket) (for|from|of) {host}",
        "(write|make|draft|prepare|create|give|show|send) [me] [a|the] (firewall|network) (request|ticket|change)",
        "(request|ticket|text|mail) for [the] (firewall|network) (team|people|guys|admin)",
        "what (do|should) i (tell|send|give) [the] (firewall|network) (team|people|guys|admin)",
    ),
    "firewall request for SRV-SYNC01",
    "host?",
    yields=True,
)

PROXY_SNIPPET = Intent(
    "proxy_snippet",
    (
        "proxy (snippet|xml)",
        "proxy (snippet|xml) (for|of) {host}",
        "proxy (section|block|lines|settings) for [the] agent [config|configuration|file]",
        "how (do|can) i (set|configure|enter|add) [a|the|our] proxy (in|for|of) [the] agent",
        "(tell|give) [the] agent [about] [the|our|a] proxy",
        "defaultproxy",
    ),
    "proxy snippet for SRV-SYNC01",
    "host?",
    yields=True,
)

VERSION = Intent(
    "version",
    (
        "agent version",
        "version of [the] agent",
        "(which|what) [agent] version [of] [agent|we|do|is] [installed]",
        "agent (update|upgrade|outdated|auto-update|autoupdate|current|up to date|too old)",
        "(does|is) [the] agent update itself",
        "(update|upgrade) [the] agent",
        "version",
    ),
    "which agent version is installed",
    "tenant",
    yields=True,
)
