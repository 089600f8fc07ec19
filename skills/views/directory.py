"""The directory card: per server its domain controllers, its known-good object, and what of the scope it can read."""

from collections.abc import Iterator, Sequence

from bot.answering import Answer, Case
from bot.cards.elements import Element, bullets, fold, labelled, line, run, table
from bot.evidence import Evidence
from skills.facts.site import Access, Containers, Control, Controllers
from skills.facts.site_records import ContainerState, ControllerState
from skills.facts.subject import Subject
from skills.seen import seen_by
from skills.server_verdict import Topic
from skills.servers import DIRECTORY
from skills.views.parts import some
from skills.views.servers import BAD, GOOD, NOT_TRIED, servers_answer
from skills.views.words import stamp

SHOWN = 8
LAYERS = frozenset({"ad-link", "gmsa"})
ATTRIBUTES = 4


def failures(evidence: Evidence, probe: str) -> Sequence[str]:
    return [
        *(f"{each.dc}: {some(_outcomes(each), 3)}" for each in _controllers(evidence, probe) if _shut(each)),
        *(f"{each.dc} does not replicate" for each in _controllers(evidence, probe) if each.replication_error),
        *(f"{each.dn} {_state(each)}" for each in _containers(evidence, probe) if _lost(each)),
        *(["the known-good object is not found"] if _control(evidence, probe) is False else []),
    ]


TOPIC = Topic(
    "the directory as seen from {}",
    LAYERS,
    DIRECTORY,
    ("controllers", "control", "containers", "acl"),
    failures,
    beaten_by_a_good_cycle=False,
)


def directory_answer(case: Case[Subject]) -> Answer:
    return servers_answer(case, TOPIC, per_server, "test the directory from")


def per_server(evidence: Evidence, probe: str) -> list[Element]:
    return [
        *_of_controllers(probe, _controllers(evidence, probe)),
        *_known_good(evidence, probe),
        *_scope(_containers(evidence, probe)),
        *_rights(evidence, probe),
    ]


def _controllers(evidence: Evidence, probe: str) -> tuple[ControllerState, ...]:
    return tuple(dc for each in seen_by(evidence, probe, Controllers) for dc in each.value)


def _containers(evidence: Evidence, probe: str) -> tuple[ContainerState, ...]:
    return tuple(one for each in seen_by(evidence, probe, Containers) for one in each.value)


def _of_controllers(probe: str, known: Sequence[ControllerState]) -> list[Element]:
    """Those that are ill in full, the others in a line to tap."""
    if not known:
        return [line(f"{NOT_TRIED} domain controllers: not looked at")]
    ill = [each for each in known if _shut(each) or each.replication_error or not each.ports]
    fine = [each for each in known if each not in ill]
    label = f"{GOOD} {len(fine)} {'other ' if ill else ''}controller{'s' if len(fine) != 1 else ''} on all ports"
    folded = fold(f"controllers-{probe}".lower(), label, _controller_table(fine)) if fine else []
    return [*(_controller_table(ill) if ill else []), *folded]


def _controller_table(known: Sequence[ControllerState]) -> list[Element]:
    rows = [(each.dc, _ports(each), _replicated(each)) for each in known[:SHOWN]]
    more = [line(run(f"and {len(known) - SHOWN} more", subtle=True))] if len(known) > SHOWN else []
    return [table(("Controller", "Ports", "Replicated"), rows, [4, 4, 3]), *more]


def _shut(each: ControllerState) -> list[str]:
    return [port for port, outcome in each.ports if outcome != "ok"]


def _outcomes(each: ControllerState) -> list[str]:
    return [f"port {port} {outcome}" for port, outcome in each.ports if outcome != "ok"]


def _ports(each: ControllerState) -> str:
    if not each.ports:
        return f"{NOT_TRIED} not tried"
    shut = [f"{BAD} {port}: {outcome}" for port, outcome in each.ports if outcome != "ok"]
    fine = [port for port, outcome in each.ports if outcome == "ok"]
    return " ".join([*shut, *([f"{GOOD} {', '.join(fine)}"] if fine else [])])


def _replicated(each: ControllerState) -> str:
    if each.replication_error:
        return f"{BAD} {each.replication_error}"
    return f"{GOOD} {stamp(each.last_replication)}" if each.last_replication else NOT_TRIED


def _control(evidence: Evidence, probe: str) -> bool | None:
    seen = seen_by(evidence, probe, Control)
    return any(look.objects for each in seen for look in each.value) if seen else None


def _known_good(evidence: Evidence, probe: str) -> Iterator[Element]:
    found = _control(evidence, probe)
    told = {True: f"{GOOD} found", False: f"{BAD} not found", None: f"{NOT_TRIED} none is named for this server"}
    yield labelled("Known-good object", told[found])


def _lost(each: ContainerState) -> bool:
    return each.exists is False or each.readable is False


def _state(each: ContainerState) -> str:
    if each.exists is False:
        return f"is gone, renamed to {each.renamed_to}" if each.renamed_to else "is gone"
    return "cannot be read" if _lost(each) else "can be read"


def _scope(known: Sequence[ContainerState]) -> Iterator[Element]:
    """Of the containers that are synced those that are lost in full, the others by their number."""
    lost = [each for each in known if _lost(each)]
    if lost:
        yield from bullets(f"{BAD} {each.dn} {_state(each)}" for each in lost[:SHOWN])
    fine = len(known) - len(lost)
    if fine:
        yield labelled("Scope", f"{GOOD} {fine} {'other ' if lost else ''}container{'s' if fine != 1 else ''} readable")


def _rights(evidence: Evidence, probe: str) -> Iterator[Element]:
    for each in seen_by(evidence, probe, Access):
        how = " (computed from access lists, not tried)" if each.identity == "computed" else ""
        if each.value.gmsa_can_read is False or each.value.missing:
            yield labelled(
                "The agent's account", f"{BAD} lacks {some(each.value.missing, ATTRIBUTES) or 'the right to read'}{how}"
            )
        elif each.value.gmsa_can_read:
            yield labelled("The agent's account", f"{GOOD} may read what it needs{how}")
