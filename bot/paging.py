"""A list that Graph hands out in pages: what one page holds, and whether the way to the next may be taken."""

from dataclasses import dataclass, field
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pages:
    """Not `complete`: some rows are missing, for the `reason` given; nothing may be concluded from their absence."""

    rows: tuple[JsonObject, ...]
    complete: bool
    reason: str | None = None


@dataclass
class Trail:
    """The rows so far and the links taken."""

    origin: str
    most: int
    rows: list[JsonObject] = field(default_factory=list)
    pages: int = 0
    _taken: set[str] = field(default_factory=set)

    def add(self, body: JsonObject) -> str | None:
        """The link to the next page, if there is one that may be followed. Raises ValueError for what is no page."""
        found = body.get("value")
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise ValueError("a page without a list of rows")
        self.rows += found
        self.pages += 1
        link = body.get("@odata.nextLink")
        return None if link is None else self._safe(link)

    def complete(self) -> Pages:
        return Pages(tuple(self.rows), True)

    def broken_off(self, reason: str) -> Pages:
        return Pages(tuple(self.rows), False, reason)

    def _safe(self, link: object) -> str:
        if not isinstance(link, str) or not link.startswith(f"{self.origin}/"):
            raise Astray("The list goes on at an address that is not Microsoft Graph's, which the bot does not follow.")
        if link in self._taken:
            raise Astray(f"The list leads in a circle after {self.pages} pages.")
        if self.pages >= self.most:
            raise Astray(f"The list is longer than the {self.most} pages that were read.")
        self._taken.add(link)
        return link


class Astray(Exception):  # noqa: N818  # a reason to stop, not an error
    """There is a next page, and a reason not to ask for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
