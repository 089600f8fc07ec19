"""What each `whysync` command tells of itself: its line in the list, what it does, and what its exit codes mean."""

from typing import Final, NamedTuple


class Told(NamedTuple):
    help: str
    description: str
    epilog: str = ""


ANSWERED: Final = (
    "exit: 0 answered, 3 cannot tell, 4 not allowed, 5 not understood, 6 not found or ambiguous, 7 unreachable"
)
COMMANDS: Final = {
    "demo": Told(
        "everything on this machine: a simulated tenant, the bot and a chat page",
        "A simulated tenant with its servers, the bot, two probes and a chat page, in one process. Nothing leaves this "
        "machine, and nothing is left of it when Ctrl-C ends it.",
        "exit: 0 ended by Ctrl-C, 2 not started: there is no such story, or the port is in use",
    ),
    "serve": Told(
        "the bot in production, configured by WHYSYNC_ settings in the environment",
        "The bot that Teams talks to: a door at WHYSYNC_HOST and WHYSYNC_PORT, open until SIGTERM or Ctrl-C. Settings: "
        "docs/settings.md. The way to a tenant: docs/install.md. Whether all of it works: whysync doctor.",
        "exit: 0 ended, 2 not started, with a line for each thing that is refused",
    ),
    "ask": Told(
        "one question against the tenant that the WHYSYNC_ settings name",
        "Asks one question against the tenant that the WHYSYNC_ settings name (docs/settings.md), with the rights of "
        "the bot's identity. Probes and the policy file are left out of it, and nothing is ever changed.",
        f"{ANSWERED}; 2 a setting is refused",
    ),
    "doctor": Told(
        "what of the bot and its tenant works, what misses, and the fix",
        "Looks at every permission, the licence, the log, the relay, the store, keys, probes, the policy and the public"
        " address, with the WHYSYNC_ settings of this environment. Changes nothing but one row of the store, which it"
        " deletes again. What each line means: docs/doctor.md. In a chat, for admins: selftest.",
        "exit: 0 nothing is missing, 1 something is",
    ),
    "replay": Told(
        "one question against a case file, with no tenant",
        "Answers the question of a case file, a frozen tenant with its servers, without any tenant. Try "
        "tests/cases/story-servicebus-blocked.json; what a case file holds: tests/cases/README.md.",
        f"{ANSWERED}; 2 that is no case file. Of several: 0, or 2",
    ),
    "score": Told(
        "replays every labelled case of a folder and prints the scoreboard",
        "Replays every labelled case of a folder: how often the first cause is right, how often somebody is blamed "
        "falsely, and what becomes of the answer when a record that carried it is taken away.",
        "exit: 0 whatever the score, 2 there are no cases",
    ),
    "probe": Told(
        "on an on-premises server: what it can see and reach",
        "What this server can see and reach. It only reads and opens no port. `check` needs no bot; `enrol` and `run` "
        "let a bot ask. Begin at docs/probes.md.",
    ),
    "probe check": Told(
        "runs checks here and now and names causes and fixes; needs no bot",
        "Runs checks here and now and names causes and fixes. Without NAME all of them, with every host that the agent "
        "needs from day to day. What each check does: docs/probe.md.",
        "exit: 0 whatever it finds, 2 what was asked for is refused",
    ),
    "probe enrol": Told(
        "makes this server known to the bot, with a token that the bot gave an admin",
        "Makes a key on this server and shows its fingerprint, which a second admin confirms in the chat: "
        "docs/enrolment.md.",
        "exit: 0 the bot has taken it, 2 it has not",
    ),
    "probe run": Told(
        "answers the bot's questions about this server until it is ended",
        "Answers the bot's questions about this server until SIGTERM or Ctrl-C. On Windows the installer makes a "
        "service of it: docs/probe-install.md.",
        "exit: 0 ended, 2 not started: not enrolled, or the policy file is refused",
    ),
    "policy": Told(
        "the policy file: whether it is sound, and whom it lets through",
        "Who may ask what and change what, before the bot uses the file. Nobody is looked up: docs/policy.md.",
    ),
    "policy check": Told(
        "one line for each mistake, and what deserves a second look",
        "One line for each mistake; without any, a note on each thing that is allowed and deserves a second look.",
        "exit: 0 no mistakes, 2 there are some",
    ),
    "policy try": Told(
        "whom the file would let through, on past asks or on a question",
        "Whom the file would let through: whoever asks QUESTION, or each line of a log of past asks.",
        "exit: 0 tried, 2 a file is refused, or there is nothing to try",
    ),
    "audit": Told(
        "the record of what was asked for, decided and done",
        "The record of what was asked for, decided and done, a chain whose end is signed: docs/acts.md.",
    ),
    "audit verify": Told(
        "whether it is whole",
        "Whether the record is whole: no gap, no edit, no end cut off.",
        "exit: 0 whole, 1 not whole (the first line names the flaw), 2 it could not be looked at",
    ),
    "audit export": Told(
        "writes it to standard output, one JSON document a line",
        "Writes the record of the store that WHYSYNC_STORE names to standard output, one JSON document a line.",
        "exit: 0 written, 2 the store could not be read",
    ),
    "manifest": Told(
        "builds the app package that Teams is given",
        "Builds the zip that a Teams administrator uploads: two icons, and the manifest, filled from WHYSYNC_APP_ID, "
        "WHYSYNC_PUBLIC_URL and WHYSYNC_ORGANIZATION. Microsoft's schema is asked first; there is no secret in it.",
        "exit: 0 written, 2 not, with a line for each thing that misses or is wrong. See docs/teams-app.md",
    ),
}
