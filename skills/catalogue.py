"""The catalogue of causes: for each id its layer, who must move, and a title in plain words."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    layer: str
    owner: str
    title: str


@cache
def catalogue() -> dict[str, Entry]:
    """By id. Read once from `catalogue.toml`; a missing key is an error of ours and raises KeyError."""
    raw = tomllib.loads(files("skills").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return {name: Entry(name, body["layer"], body["owner"], body["title"]) for name, body in raw.items()}
