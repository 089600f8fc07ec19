"""What a person typed, separated from whom they mentioned and whom they quoted."""

import re
from dataclasses import dataclass
from typing import Any

from bot.turns import Mention

LONGEST = 16_000
MOST_MENTIONS = 50

_AT = re.compile(r"<at(?: [^<>]*)?>([^<>]*)</at>", re.IGNORECASE)
_QUOTE = re.compile(r"<(/?)(?:blockquote|pre)\b[^<>]*>", re.IGNORECASE)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_BREAK = re.compile(r"<br ?/?>|</(?:p|div|li)>", re.IGNORECASE)
_PLAIN_TAG = re.compile(r"</?(?:p|div|code|span)>", re.IGNORECASE)
_ESCAPE = re.compile(r"&(nbsp|lt|gt|amp|quot|#39);")
_ESCAPES = {"nbsp": " ", "lt": "<", "gt": ">", "amp": "&", "quot": '"', "#39": "'"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"[ \t\u00a0]+")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Words:
    text: str
    quoted: str = ""
    mentions: tuple[Mention, ...] = ()


def words(raw: str, entities: object, bot_id: str) -> Words:
    text, mentions = _without_mentions(raw[:LONGEST], entities, bot_id)
    own, quoted = _split_quotes(text)
    lines = [_tidy(line) for line in _plain(own).split("\n")]
    said = [line for line in lines if not line.startswith(">")]
    quoted += [line.lstrip("> ") for line in lines if line.startswith(">")]
    return Words("\n".join(said).strip(), "\n".join(_tidy(_plain(part)) for part in quoted).strip(), mentions)


def guid(value: object) -> str | None:
    """The value, lower case, if it is a GUID as Entra writes them."""
    return value.lower() if isinstance(value, str) and _GUID.fullmatch(value) else None


def label(value: object) -> str:
    """A display name made safe to hold: one line, no controls, short."""
    return _tidy(_CONTROL.sub(" ", value.replace("\n", " ")))[:200] if isinstance(value, str) else ""


def _without_mentions(text: str, entities: object, bot_id: str) -> tuple[str, tuple[Mention, ...]]:
    """Only an entity makes a mention; a typed <at> stays the text it is."""
    others: list[Mention] = []
    for tag, shown, mentioned in _mention_entities(entities):
        if tag not in text:
            continue
        if mentioned.get("id") == bot_id:
            text = text.replace(tag, " ")
        else:
            text = text.replace(tag, shown, 1)
            others.append(_mention(shown, mentioned))
    return text, tuple(others)


def _mention_entities(entities: object) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for entity in entities[:MOST_MENTIONS] if isinstance(entities, list) else []:
        if not isinstance(entity, dict) or entity.get("type") != "mention":
            continue
        tag, mentioned = entity.get("text"), entity.get("mentioned")
        shape = _AT.fullmatch(tag) if isinstance(tag, str) else None
        if isinstance(tag, str) and shape and isinstance(mentioned, dict):
            found.append((tag, shape[1], mentioned))
    return found


def _mention(shown: str, mentioned: dict[str, Any]) -> Mention:
    """Where the name that readers see and the name behind it differ, the id is not believed."""
    name = label(mentioned.get("name"))
    agrees = bool(name) and label(shown).casefold() in name.casefold()
    return Mention(guid(mentioned.get("aadObjectId")) if agrees else None, label(shown) or name)


def _split_quotes(text: str) -> tuple[str, list[str]]:
    """Own words, and the blocks that are not: quoted messages, preformatted and fenced code."""
    own: list[str] = []
    quoted: list[str] = []
    depth = last = 0
    for tag in _QUOTE.finditer(text):
        (quoted if depth else own).append(text[last : tag.start()])
        own.append("\n")
        depth = max(0, depth - 1) if tag[1] else depth + 1
        last = tag.end()
    (quoted if depth else own).append(text[last:])
    rest = "".join(own)
    quoted += [block.strip("`") for block in _FENCE.findall(rest)]
    return _FENCE.sub("\n", rest), [part for part in quoted if part.strip()]


def _plain(text: str) -> str:
    text = _PLAIN_TAG.sub("", _BREAK.sub("\n", text.replace("\r\n", "\n").replace("\r", "\n")))
    return _CONTROL.sub(" ", _ESCAPE.sub(lambda match: _ESCAPES[match[1]], text))


def _tidy(line: str) -> str:
    return _SPACES.sub(" ", line).strip(" \t\u00a0")
