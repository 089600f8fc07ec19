"""The conversation itself: follow-ups, help, and what is no question."""

from bot.intents import Intent

FOLLOWUP = Intent(
    "followup",
    (
        "and now => again",
        "[how about|what about] now => again",
        "still (broken|failing|not|nothing|missing|the same|bad|same|down|stuck) ... => again",
        "(not fixed|not working|not better|no change|no better) => again",
        "(check|try|look|test|ask|run the check) again => again",
        "(recheck|re-check|retry|refresh|update) => again",
        "any (news|change|update|progress|better) => again",
        "is it (better|fixed|solved|done|there|working) [now] => again",
        "(fixed|solved|better|done) now => again",
        "(fix|repair|solve|heal) (it|this|that) => fix",
        "(go ahead|do that|do it|proceed|yes do it) => fix",
        "what (can|do|should|must) (=i|=we) =do [about] [it|this|that|now] => fix",
        "how (can|do|should) (=i|=we) (fix|solve|repair) [it|this|that|now] => fix",
        "how (fix|solve|repair) [it|this|that] => fix",
        "what [is] [the] next [step] => fix",
        "(who|which team) [can|must|has to|should|needs to] (fix|do|solve|act|move|repair|handle) ... => owner",
        "who is (responsible|guilty|to blame|in charge) => owner",
        "whose (job|problem|fault|turn) => owner",
        "(network|ad|identity|microsoft) or us => owner",
        "(send|forward|write|explain|say|put|tell|give) ... (plain|simple|easy) (words|language|english) => plain",
        "(send|forward|pass|hand) ... (helpdesk|help desk|service desk|user|colleague|ticket) ... => plain",
        "(what|how) [do|should|can] [i|we] tell [the] user => plain",
        "(ticket|helpdesk) (text|summary|note) => plain",
        "in (plain|simple) (words|language|english) => plain",
        "(summarise|summarize|summary) [that|this|it] => plain",
        "(why|how come|really|are you sure|how do you know|proof|evidence|prove it) => why",
        "(show|see) [the] (evidence|proof|details|records) => why",
        "same (for|with|question for|check for) {who} => same",
        "(what|how) about {who} => same",
        "and {who} => same",
        "{who} too => same",
    ),
    "and now?",
    "previous",
    yields=True,
)

HELP = Intent(
    "help",
    (
        "help",
        "[show] [the] (commands|menu|options)",
        "what can (you|i) (do|ask|say|type)",
        "how do (i|we) use (this|you|it|the bot)",
        "how does (this|it|the bot) work",
        "who =are =you",
        "what =are =you",
        "what (can|may) =i =do here",
        "help [me] [with|on|about] (acts|act|action|changes|approval) => acts",
        "(what|which) (acts|action|approval) [are there|can you|do you|are open|are pending|are waiting] => acts",
        "what (can|may|could) (you|i) change => acts",
        "(how|when) [do|does] [the] approval work => acts",
        "(who|how many) [can|has|have|must|may|needs|need] [to] approve [this|that|it] => acts",
        "what [do|have|is] [i|we] [have] [waiting] [to|for] (approve|approval) => acts",
        "help [me] [with|on|about] [the] (probes|probe|servers|server|network) => probes",
        "what can you do [with|on|about] [the] (probes|servers) => probes",
        "(=probe|server|network) (command|commands|questions) => probes",
    ),
    "help",
)

SELFTEST = Intent(
    "selftest",
    (
        "(selftest|self-test|self test|doctor)",
        "(check|test|diagnose) (yourself|your permissions|your setup|bot)",
        "(run|start|do|show) [me] [a|the|your] (selftest|self-test|self test|doctor)",
        "(=do|=are) =you (ok|okay|fine|well|work|working|healthy|alive|awake|have permission)",
        "(what|which) permission ... (missing|miss|need|have|lack|you) ...",
        "(bot|your) (health|permission|setup|status)",
    ),
    "selftest",
)

OTHER = Intent(
    "other",
    (
        "(thanks|thank you|thx|ok|okay|cheers|great|perfect|awesome|nice|cool|danke|merci|gracias|děkuji)",
        "(=hello|=hi|=hey|good morning|good afternoon|good evening|bye|goodbye)",
        "(morning|moin|servus|ahoj|hallo|bonjour|ciao|hola)",
        "... (warum|weshalb|wieso|nicht|benutzer|konto|wird|kein|fehlt|bitte|wann) ...",
        "... (proč|není|nejde|uživatel|uživatele|uživateli|nesynchronizuje|synchronizuje|nefunguje) ...",
        "... (účet|kdy|tuto|tento|chybí) ...",
        "... (pourquoi|utilisateur|compte|synchronisé|n'est|quand) ...",
        "... (usuario|cuenta|sincroniza|sincronizado|cuándo|porque) ...",
        "... (dlaczego|użytkownik|konto|perché|utente|waarom|gebruiker|varför|användare) ...",
    ),
    "",
)
