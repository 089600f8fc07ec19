"""The card that tells what a probe is, what it can and cannot do, and how one is taken into service."""

from bot.answering import About, Answer, Case, Offer
from bot.cards.elements import Tone, bullets, card, heading, line, title
from skills.facts.subject import Subject
from skills.verdict import State
from skills.views.verdict import bare_verdict

HEADLINE = "A probe is a small program of ours on a server of yours that looks where the cloud cannot."
LOOKS = (
    "whether the sync agent's hosts can be reached from there, directly and by proxy",
    "whether the agent's service and its account are well",
    "what Active Directory says of a person, and whether the agent may read it",
)
NEVER = (
    "It only looks, by named checks; nobody can give it a host, file or command from here.",
    "It opens no port and connects outwards alone, over Service Bus and HTTPS, with signed messages.",
    "The list on the server itself has the last word.",
)
INTO_SERVICE = (
    "Ask me: enrol SRV-SYNC01",
    "Install it on that server with the line that I give you.",
    "Another admin confirms the fingerprint that the server shows.",
    "Then: test the network from SRV-SYNC01",
)
WITHOUT = "Without one I answer from the cloud's side alone. By hand, on any server: whysync probe check"


def about_probes(case: Case[Subject]) -> Answer:
    body = [title(HEADLINE, state="Probe", tone=Tone.ACCENT), heading("It tells"), *bullets(LOOKS)]
    body += [heading("What keeps it harmless"), *bullets(NEVER)]
    offers: tuple[Offer, ...] = ()
    if About.FLEET in case.ask.may.about:
        body += [heading("Into service"), *bullets(INTO_SERVICE, numbered=True)]
        offers = (Offer("Which there are", "probes"), Offer("What to ask of them", "help probes"))
    verdict = bare_verdict(case, State.FINE, HEADLINE)
    return Answer(card([*body, line(WITHOUT, spacing="Medium")], HEADLINE), verdict.as_json(), offers=offers)
