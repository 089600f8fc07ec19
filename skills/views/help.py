"""The help cards: what this person can ask here, what can be done, and what probes are for; short, with buttons."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.answering import About, Answer, Case, May, Offer
from bot.cards.elements import Element, Tone, bullets, card, heading, line, run, title
from skills.facts.subject import Subject
from skills.next_act import consent
from skills.verdict import State
from skills.views.verdict import bare_verdict

HEADLINE = "Ask me why somebody does not sync."
OWN_HEADLINE = "Ask me whether your account is in sync."
NAMES = "People by sign-in name, account name, mail, objectGUID, distinguished name, employee id or mention."
IN_CHANNEL = "Here, write my name first. What is about your own account I answer in your personal chat."
ACTS, PROBES = Offer("What I can do", "help acts"), Offer("Servers and probes", "help probes")


@dataclass(frozen=True)
class Part:
    """Questions of one kind; those that stand as they are for anybody have buttons."""

    when: str
    examples: tuple[str, ...]
    about: About
    buttons: tuple[str, ...] = ()


PARTS = (
    Part("Somebody is missing or wrong", ("why isn't jdoe syncing", "is jdoe synced", "logs for jdoe"), About.PERSON),
    Part(
        "Nobody syncs",
        ("is the sync running", "are the agents ok", "who failed today", "did anyone change the scope"),
        About.TENANT,
        ("is the sync running", "are the agents ok", "who failed today"),
    ),
    Part("A code or an event", ("what does AttributeValueMustBeUnique mean", "event 7041"), About.NOTHING),
)
OWN = Part("Your own account", ("is my account in sync", "my new name is not there"), About.NOTHING)
WORDS = (
    ("provision_on_demand", "One person, now", "provision jdoe now"),
    ("restore_user", "Out of the recycle bin", "restore jdoe from the recycle bin because …"),
    ("clear_quarantine", "Out of quarantine", "clear the quarantine because …"),
    ("re_evaluate", "Everybody once more", "full sync because …"),
    ("pause_job", "Stop a job", "pause the job because …"),
    ("start_job", "Start a job", "start the job because …"),
    ("allow_deletes", "Held deletions", "let the deletes through because …"),
)
OWN_REQUESTS = ("pending: what waits for a decision", "answer 7F3K …, where somebody asks about it", "cancel 7F3K")
DECIDE = (
    "pending: what waits for a decision",
    "approve 7F3K: shows request 7F3K; with its digest behind it, approves it",
    "deny 7F3K because … · ask 7F3K … · cancel 7F3K",
    "stop all acts because …: one person, at once · release all acts because …: two people · are acts stopped",
)
NOTHING_TO_DO = "Nothing: here and for you I only look. The policy file says who may ask for a change."
PROBE_PARTS = (
    Part(
        "What a server sees",
        ("test the network from SRV-SYNC01", "check server SRV-SYNC01", "test the directory", "is the gMSA ok"),
        About.TENANT,
        ("test the network", "test the directory"),
    ),
    Part(
        "To hand on",
        ("firewall request", "proxy snippet", "which endpoints does the agent need"),
        About.TENANT,
        ("firewall request",),
    ),
    Part(
        "The probes themselves",
        ("probes", "enrol SRV-SYNC01", "confirm SRV-SYNC01 and its fingerprint", "revoke SRV-SYNC01"),
        About.FLEET,
        ("probes",),
    ),
)


def help_answer(case: Case[Subject]) -> Answer:
    may = case.ask.may
    parts = [part for part in PARTS if part.about in may.about]
    others = About.PERSON in may.about or About.TENANT in may.about
    parts = [*parts, OWN] if others else [OWN, *parts]
    body = [*_told(parts), line(run(NAMES, subtle=True), spacing="Medium")]
    body += [] if may.alone else [line(run(IN_CHANNEL, subtle=True))]
    further = [*([ACTS] if may.acts else []), *([PROBES] if About.TENANT in may.about else [])]
    offers = [*_buttons(parts), Offer("Is my account in sync?", OWN.examples[0]), *further]
    return _answer(case, HEADLINE if others else OWN_HEADLINE, body, offers)


def acts_help(case: Case[Subject]) -> Answer:
    """Only what this person may ask for here, each with whose consent it takes."""
    may = case.ask.may
    body = [_act(may, *each) for each in WORDS if each[0] in may.acts]
    headline = "What I change when you ask for it." if body else NOTHING_TO_DO
    if any(may.acts.values()):
        decides = About.TENANT in may.about
        body += [heading("Requests"), *bullets(DECIDE if decides else OWN_REQUESTS)]
    return _answer(case, headline, body, [Offer("Help", "help")])


def probes_help(case: Case[Subject]) -> Answer:
    parts = [part for part in PROBE_PARTS if part.about in case.ask.may.about]
    body: list[Element] = [line(run("Where no server is named, all probes are asked."))] if parts else []
    headline = "A probe sees from your servers what the cloud cannot." if parts else "Only admins may ask servers."
    return _answer(
        case, headline, [*body, *_told(parts)], [*_buttons(parts), Offer("What is a probe?", "what is a probe")]
    )


def _act(may: May, op: str, what: str, words: str) -> Element:
    said = words if may.acts[op] else words.removesuffix(" because …")
    return line(run(f"{what}: ", bold=True), run(said), run(f" · {consent(may.acts[op])}", subtle=True))


def _told(parts: Sequence[Part]) -> list[Element]:
    return [each for part in parts for each in (heading(part.when), *bullets(part.examples))]


def _buttons(parts: Sequence[Part]) -> list[Offer]:
    return [Offer(f"{words[:1].upper()}{words[1:]}", words) for part in parts for words in part.buttons]


def _answer(case: Case[Subject], headline: str, body: Sequence[Element], offers: Sequence[Offer]) -> Answer:
    shown = card([title(headline, state="Help", tone=Tone.ACCENT), *body], headline)
    return Answer(shown, bare_verdict(case, State.FINE, headline).as_json(), offers=tuple(offers))
