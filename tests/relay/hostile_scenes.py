"""For each rule one scene on the model in which the relay gets what it wants if that rule is missing."""

import json
from collections.abc import Callable
from dataclasses import replace

from hostile_model import HostileRelay
from test_wire import BOT, NEXT

from bot.relay import probe_session
from bot.relay.envelope import FleetKeys, Seen, Standing, unb64

Scene = Callable[[HostileRelay], None]
A = 0


def asked_wrongly(change: str) -> Scene:
    def scene(model: HostileRelay) -> None:
        model.meet(A)
        model.ask_wrongly(A, at_once=True, change=change)

    return scene


def lied(change: str) -> Scene:
    def scene(model: HostileRelay) -> None:
        model.meet(A)
        model.ask(A, "dns")
        model.clock.advance(31)
        model.lie(A, change)

    return scene


def welcome_for_another(model: HostileRelay) -> None:
    """An old welcome, kept until its probe waits for a new one."""
    model.restart(A)
    (kept,) = [letter for letter in model.letters if _is(letter, A, "probe-welcome")][-1:]
    model._deliver(*kept)


def late_welcome(model: HostileRelay) -> None:
    model.waiting.clear()
    model.restart(A)
    model.carry(1)
    model.wait(31.0)
    model.carry(1)


def retired_welcome(model: HostileRelay) -> None:
    pair = model.there[A].pair
    pair.probe = pair.new_probe("d7", FleetKeys(BOT.public, NEXT.public, model._now() - 31 * 86_400_000))
    model.meet(A)


def full(model: HostileRelay) -> None:
    model.meet(A)
    probe = model.there[A].pair.probe
    mark = Seen("shell", probe.est() + 60_000, probe.est(), "said", ran=False)
    probe.seen |= {f"e{number:031x}": mark for number in range(probe_session.MOST_SEEN)}
    model.waiting.clear()
    model.ask(A, "dns")
    model.carry(1)


def two_at_once(model: HostileRelay) -> None:
    model.meet(A)
    model.waiting.clear()
    for _ in range(2):
        model.ask(A, "dns")
    model.carry(2)


def too_many(model: HostileRelay) -> None:
    model.meet(A)
    for _ in range(11):
        model.waiting.clear()
        model.ask(A, "dns")
        model.carry(1)
        model.finish(A)


def rotated(*steps: tuple[int, int]) -> Scene:
    def scene(model: HostileRelay) -> None:
        model.meet(A)
        for by, to in steps:
            model.waiting.clear()
            model.rotate(A, by, to)
            model.carry(1)

    return scene


def next_key_rotates(model: HostileRelay) -> None:
    """The next key alone, stolen from where it waits, must not be able to hold a rotation of its own."""
    pair = model.there[A].pair
    pair.probe = pair.new_probe("d8", FleetKeys(BOT.public, NEXT.public, model._now()))
    model.meet(A)
    model.waiting.clear()
    model.rotate(A, by=1, to=1)
    model.carry(1)


def pushed_off(model: HostileRelay) -> None:
    """The hello that opened the live session, once more."""
    model.meet(A)
    model.carry(9)
    (hello,) = [letter for letter in model.letters if _is(letter, A, "probe-hello")][-1:]
    model.wait(5.0)
    model.waiting.clear()
    model._deliver(*hello)
    model.carry(9)


def old_session_back(model: HostileRelay) -> None:
    """Yesterday's hello gets a new nonce; yesterday's ready carries the old one."""
    hello = next(letter for letter in model.letters if _is(letter, A, "probe-hello"))
    ready = next(letter for letter in model.letters if _is(letter, A, "probe-ready"))
    model.meet(A)
    model.carry(9)
    model._deliver(*hello)
    model._deliver(*ready)


def doubled_beat(model: HostileRelay) -> None:
    model.meet(A)
    model.carry(9)
    model.wait(29.0)
    model.beat(A)
    model.carry(9)
    model.double(1, 1)


def held_beat(model: HostileRelay) -> None:
    model.meet(A)
    model.carry(9)
    model.wait(29.0)
    model.beat(A)
    model.wait(61.0)
    model.carry(9)


def answer_of_another_session(model: HostileRelay) -> None:
    model.meet(A)
    model.carry(9)
    model.ask(A, "dns")
    model.carry(9)
    model.finish(A)
    kept = model.waiting[-1:]
    model.waiting.clear()
    model.meet(A)
    model.carry(9)
    for letter in kept:
        model._deliver(*letter)


def answered_twice(model: HostileRelay) -> None:
    model.meet(A)
    model.carry(9)
    model.ask(A, "dns")
    model.carry(9)
    model.finish(A)
    model.carry(9)
    model.double(1, 1)


def standing(what: Standing) -> Scene:
    def scene(model: HostileRelay) -> None:
        model.meet(A)
        model.carry(9)
        pair = model.there[A].pair
        pair.row = replace(pair.row, standing=what)
        model.beat(A)
        model.wait(5.0)
        model.beat(A)
        model.carry(9)

    return scene


def _is(letter: tuple[str, int, bool], which: int, typ: str) -> bool:
    return letter[1] == which and json.loads(unb64(letter[0].split(".")[0]))["typ"] == typ


SCENES: dict[tuple[str, str], tuple[Scene, str]] = {
    ("WELCOME_CHECKS", "wrong-session"): (welcome_for_another, "the time is off"),
    ("WELCOME_CHECKS", "welcome-too-late"): (late_welcome, "the time is off"),
    ("WELCOME_CHECKS", "retired-key"): (retired_welcome, "a retired key counted"),
    ("ORDER_CHECKS", "wrong-tenant"): (asked_wrongly("tenant"), "not its own"),
    ("ORDER_CHECKS", "wrong-probe"): (asked_wrongly("probe"), "not its own"),
    ("ORDER_CHECKS", "wrong-generation"): (asked_wrongly("gen"), "not its own"),
    ("ORDER_CHECKS", "wrong-session"): (asked_wrongly("sid"), "not of its session"),
    ("ORDER_CHECKS", "not-yet"): (asked_wrongly("early"), "not yet"),
    ("ORDER_CHECKS", "expired"): (asked_wrongly("old"), "expired"),
    ("ORDER_CHECKS", "wrong-lifetime"): (asked_wrongly("long"), "lives too long"),
    ("ORDER_CHECKS", "full"): (full, "remembers without end"),
    ("COMMAND_CHECKS", "unknown-op"): (asked_wrongly("op"), "not in the table"),
    ("COMMAND_CHECKS", "unknown-args"): (asked_wrongly("args"), "not its arguments"),
    ("COMMAND_CHECKS", "wrong-digest"): (asked_wrongly("digest"), "not what was digested"),
    ("COMMAND_CHECKS", "busy"): (two_at_once, "two at once"),
    ("COMMAND_CHECKS", "too-many"): (too_many, "too many in a minute"),
    ("ROTATE_CHECKS", "not-current"): (next_key_rotates, "another than the present key named a successor"),
    ("ROTATE_CHECKS", "same-key"): (rotated((0, 0)), "its trust was turned"),
    ("ROTATE_CHECKS", "rotation-open"): (rotated((0, 1), (0, 2)), "a rotation was granted and not made"),
    ("HELLO_CHECKS", "wrong-tenant"): (lied("tenant"), "the probe never said that"),
    ("HELLO_CHECKS", "wrong-probe"): (lied("probe"), "the probe never said that"),
    ("HELLO_CHECKS", "wrong-generation"): (lied("gen"), "the probe never said that"),
    ("HELLO_CHECKS", "repeated-hello"): (pushed_off, "pushed off by the relay"),
    ("READY_CHECKS", "wrong-nonce"): (old_session_back, "one heartbeat counted twice"),
    ("READY_CHECKS", "repeated-ready"): (doubled_beat, "one heartbeat counted twice"),
    ("READY_CHECKS", "ready-too-late"): (held_beat, "a heartbeat from long ago"),
    ("READY_CHECKS", "ready-too-early"): (lied("ahead"), "the probe never said that"),
    ("RESULT_CHECKS", "wrong-session"): (answer_of_another_session, "not of the live session"),
    ("RESULT_CHECKS", "already-answered"): (answered_twice, "answered twice"),
    ("SENDER_CHECKS", "revoked"): (standing(Standing.REVOKED), "revoked and heard"),
    ("SENDER_CHECKS", "unconfirmed"): (standing(Standing.WAITING), "revoked and heard"),
}
"""The rule, the scene, and what the model says when it has gone wrong."""


def play(scene: Scene) -> None:
    model = HostileRelay()
    model.yesterday()
    scene(model)
