"""One table of the policy file while it is read: each mistake becomes one line that names its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Table:
    body: Mapping[str, Any]
    mistakes: list[str]
    """Of the whole file, gathered."""
    where: str = ""
    """What stands before its keys: `roles.admin.`"""

    def __contains__(self, key: str) -> bool:
        return key in self.body

    def wrong(self, key: str, why: str) -> None:
        self.mistakes.append(f"{self.where}{key}: {why}")

    def only(self, *known: str) -> None:
        for key in self.body:
            if key not in known:
                self.wrong(key, "there is no such key")

    def table(self, key: str, such_as: str = "") -> "Table":
        value = self.body.get(key, {})
        if not isinstance(value, dict):
            self.wrong(key, f"must be a table{such_as and f' such as {such_as}'}")
            value = {}
        return Table(value, self.mistakes, f"{self.where}{key}.")

    def tables(self, such_as: str = "") -> "Iterator[tuple[str, Table]]":
        for key in self.body:
            yield key, self.table(key, such_as)

    def ids(self, key: str) -> frozenset[str]:
        values = self.body.get(key, [])
        if not isinstance(values, list):
            self.wrong(key, "must be a list of object ids")
            return frozenset()
        return frozenset(found for value in values if (found := self._id(key, value)))

    def _id(self, key: str, value: Any) -> str:
        try:
            return str(UUID(str(value)))
        except ValueError:
            self.wrong(key, f"{value!r} is not an object id")
            return ""

    def texts(self, key: str, what: str) -> frozenset[str] | None:
        """None where the key is left out. An empty list is refused: nobody could say whether it means all or none."""
        if key not in self:
            return None
        values = self.body[key]
        if not isinstance(values, list) or not values or not all(isinstance(each, str) and each for each in values):
            self.wrong(key, f"must name at least one {what}; leave it out for all of them")
            return frozenset()
        return frozenset(values)

    def flag(self, key: str) -> bool:
        value = self.body.get(key, False)
        if not isinstance(value, bool):
            self.wrong(key, "must be true or false")
        return value is True

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        value = self.body.get(key, default)
        if type(value) is int and least <= value <= most:
            return value
        self.wrong(key, f"must be a whole number from {least} to {most}")
        return default
