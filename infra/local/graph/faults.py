"""Ways a service misbehaves, told per path, each so many times and in order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["answer", "drip", "truncated", "html", "next-loop", "next-foreign", "hang", "drop"]

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
FOREIGN = "http://127.0.0.1:9/v1.0/users?$skiptoken=elsewhere"


@dataclass(frozen=True)
class Fault:
    """`times` None means from now on."""

    kind: Kind
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    times: int | None = 1
    seconds: float = 1.0  # between two bytes of a drip

    @classmethod
    def answer(
        cls, status: int, body: Any = None, headers: Mapping[str, str] | None = None, times: int | None = 1
    ) -> "Fault":
        """A body of None is an ordinary OData error; an empty string is no body at all."""
        return cls("answer", status, headers or {}, body, times)

    @classmethod
    def html(cls, status: int = 502, times: int | None = 1) -> "Fault":
        return cls("html", status, times=times)


@dataclass
class Faults:
    """Seconds every call takes by the clock passed in, and what each path does wrong."""

    latency: float = 0.0
    scripts: dict[str, list[Fault]] = field(default_factory=dict)
    clock_ahead: float = 0.0
    """Seconds that the date of its answers is ahead of that clock."""

    def __post_init__(self) -> None:
        self.scripts = {path: list(script) for path, script in self.scripts.items()}

    def next(self, paths: tuple[str, ...]) -> Fault | None:
        for pattern, script in self.scripts.items():
            if script and any(same_path(pattern, path) for path in paths):
                return _used(script)
        return None


def _used(script: list[Fault]) -> Fault:
    fault = script[0]
    if fault.times is None:
        return fault
    if fault.times <= 1:
        script.pop(0)
    else:
        script[0] = Fault(fault.kind, fault.status, fault.headers, fault.body, fault.times - 1, fault.seconds)
    return fault


def same_path(pattern: str, path: str) -> bool:
    """Without version and query, without regard to case; `{anything}` stands for one segment."""
    wanted, found = _segments(pattern), _segments(path)
    return len(wanted) == len(found) and all(
        want == have or re.fullmatch(r"\{.*\}", want) is not None for want, have in zip(wanted, found, strict=True)
    )


def _segments(path: str) -> list[str]:
    return [segment.lower() for segment in path.split("?")[0].split("/") if segment]
