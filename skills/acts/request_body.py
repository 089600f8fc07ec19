"""The only place that makes what is sent to change something: scopes are constants, and no text has a say."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from bot.acts import Called, GraphWriter, Thing
from bot.identifiers import InvalidDn, parse_dn
from bot.reach import JsonObject

CLEAR_QUARANTINE: Final = "clear_quarantine"
RE_EVALUATE: Final = "re_evaluate"
ALLOW_DELETES: Final = "allow_deletes"
START_JOB: Final = "start_job"
PAUSE_JOB: Final = "pause_job"
RUN_NOW: Final = "provision_on_demand"
RESTORE_USER: Final = "restore_user"

RESET_SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {CLEAR_QUARANTINE: "QuarantineState", RE_EVALUATE: "Watermark", ALLOW_DELETES: "ForceDeletes"}
)
"""What each restart resets, and all it ever may. An empty scope would reset everything, so it is always sent."""

WRITE_JOBS: Final = "Synchronization.ReadWrite.All"
WRITE_BIN: Final = "User.DeleteRestore.All"
PATIENCE: Final = 60.0
"""As long as execution waits for one call."""
NOT_SENT: Final = "What was asked for is not what may be sent, so nothing was sent."

_JOB = "/servicePrincipals/{sp}/synchronization/jobs/{job}"
_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_PROVISIONING = re.compile(r"(?!AD2AADPasswordHash)[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.IGNORECASE)


class NotSendable(Exception):  # noqa: N818  # an answer: it is not sent
    """A thing of another form than its op has; somebody has written to the store who should not."""


@dataclass(frozen=True)
class Outgoing:
    template: str
    body: JsonObject | None
    needs: str
    ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """As it goes out, for people to read."""
        path = f"POST {self.template.format(**self.ids)}"
        return path if self.body is None else f"{path}\n{json.dumps(self.body, ensure_ascii=False)}"


def outgoing(thing: Thing) -> Outgoing:
    """What would be sent. Raises NotSendable."""
    form = _FORMS.get(thing.op)
    if form is None:
        raise NotSendable(f"there is no op {thing.op!r}")
    return form(thing)


async def send(op: str, thing: Thing, writer: GraphWriter, attempt: str) -> JsonObject:
    """Sends it, once. Raises NotSendable before anything goes out; GraphError."""
    if thing.op != op:
        raise NotSendable(f"{op} was asked to do {thing.op!r}")
    going = outgoing(thing)
    return await writer.post_write(
        going.template, going.body, attempt=attempt, needs=going.needs, within=PATIENCE, **going.ids
    )


Call = Callable[[Thing, GraphWriter, str], Any]


def accepted(op: str, says: str) -> Call:
    """The call of an act that Graph only accepts, without an answer to read."""

    async def call(thing: Thing, writer: GraphWriter, attempt: str) -> Called:
        try:
            await send(op, thing, writer, attempt)
        except NotSendable:
            return Called(False, NOT_SENT)
        return Called(True, says)

    return call


def _restart(thing: Thing) -> Outgoing:
    scope = RESET_SCOPES[thing.op]
    _exactly(thing, {"resetScope": scope})
    job = _job(thing, _PROVISIONING if thing.op == ALLOW_DELETES else _IDENT)
    return Outgoing(f"{_JOB}/restart", {"criteria": {"resetScope": scope}}, WRITE_JOBS, job)


def _start(thing: Thing) -> Outgoing:
    _exactly(thing, {})
    return Outgoing(f"{_JOB}/start", None, WRITE_JOBS, _job(thing))


def _pause(thing: Thing) -> Outgoing:
    _exactly(thing, {})
    return Outgoing(f"{_JOB}/pause", None, WRITE_JOBS, _job(thing))


def _on_demand(thing: Thing) -> Outgoing:
    if set(thing.params) != {"ruleId", "dn", "anchor"} or not _IDENT.fullmatch(thing.params["ruleId"]):
        raise NotSendable("not the params of a run for one person")
    dn = thing.params["dn"]
    if not _names_an_object(dn):
        raise NotSendable("not a distinguished name")
    subject = {"objectId": dn, "objectTypeName": "user"}
    body = {"parameters": [{"ruleId": thing.params["ruleId"], "subjects": [subject]}]}
    return Outgoing(f"{_JOB}/provisionOnDemand", body, WRITE_JOBS, _job(thing, _PROVISIONING))


def _names_an_object(dn: str) -> bool:
    try:
        steps = parse_dn(dn).rdns
    except InvalidDn:
        return False
    return len(steps) > 1 and all(value for step in steps for _, value in step.pairs)


def _restore(thing: Thing) -> Outgoing:
    _exactly(thing, {})
    if thing.job or thing.principal or not _IDENT.fullmatch(thing.target):
        raise NotSendable("not a deleted account")
    return Outgoing("/directory/deletedItems/{user}/restore", None, WRITE_BIN, {"user": thing.target})


def _exactly(thing: Thing, params: Mapping[str, str]) -> None:
    if dict(thing.params) != params:
        raise NotSendable(f"not the params of {thing.op}")


def _job(thing: Thing, shape: re.Pattern[str] = _IDENT) -> dict[str, str]:
    if not _IDENT.fullmatch(thing.principal) or not shape.fullmatch(thing.job):
        raise NotSendable("not a job")
    return {"sp": thing.principal, "job": thing.job}


_FORMS: Final[Mapping[str, Callable[[Thing], Outgoing]]] = MappingProxyType(
    {
        CLEAR_QUARANTINE: _restart,
        RE_EVALUATE: _restart,
        ALLOW_DELETES: _restart,
        START_JOB: _start,
        PAUSE_JOB: _pause,
        RUN_NOW: _on_demand,
        RESTORE_USER: _restore,
    }
)
