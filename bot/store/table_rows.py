"""Rows as Table Storage keeps them, and what a row that was read again says of a write."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode

from bot.store import Ambiguous, Conflict, Row
from bot.store.batch import Batch, Entry, value_of

OVERWRITTEN: Final = 'W/"overwritten"'
"""The etag of a row that was ours and is not any more: it matches nothing."""

_ETAG = re.compile(r'W/"[A-Za-z0-9\'%:.+-]{1,100}"')

Operation = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], dict[str, Any]]


def partition_of(ns: str, pk: str) -> str:
    """No key holds a tilde, so that no two pairs meet."""
    return f"{ns}~{pk}"


def operation(batch: Batch, entry: Entry) -> Operation:
    """An update or a deletion without its condition would overwrite silently. Raises Conflict."""
    entity = {"PartitionKey": partition_of(batch.ns, batch.pk), "RowKey": entry.rk}
    if entry.text is not None:
        entity |= {"v": entry.text, "wid": batch.wid}
        if entry.etag is None:
            return "create", entity
    condition = {"etag": _etag(entry), "match_condition": MatchConditions.IfNotModified}
    return (
        ("delete", entity, condition)
        if entry.text is None
        else ("update", entity, {"mode": UpdateMode.REPLACE} | condition)
    )


def _etag(entry: Entry) -> str:
    """`*` would match every row: only what the service itself has issued may stand there."""
    if entry.etag is None or _ETAG.fullmatch(entry.etag) is None:
        raise Conflict(f"Somebody else has changed {entry.rk}.")
    return entry.etag


def row_of(pk: str, entity: TableEntity) -> Row:
    return Row(pk, entity["RowKey"], value_of(entity.get("v"), entity["RowKey"]), etag_of(entity))


def etag_of(entity: TableEntity) -> str:
    return str(entity.metadata["etag"])


def etags_of(batch: Batch, parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of an accepted transaction."""
    return ["" if entry.text is None else str(part["etag"]) for entry, part in zip(batch.entries, parts, strict=True)]


Found = Mapping[str, TableEntity | None]


def judged(batch: Batch, found: Found, *, doubt: bool) -> list[str] | None:
    """The etags if the write is there; None if all is as before it. Raises Conflict, and Ambiguous for deletions only:
    a row that is gone does not tell by whom. `doubt`: a request may have been carried out unseen."""
    if any(_is_ours(batch, found[entry.rk]) for entry in batch.kept):
        return [_kept_etag(batch, entry, found[entry.rk]) for entry in batch.entries]
    if all(_untouched(entry, found[entry.rk]) for entry in batch.entries):
        return None
    if doubt and not batch.kept and not any(found.values()):
        raise Ambiguous("The rows are gone, and nobody can say whether we deleted them.")
    raise Conflict("Somebody else has changed these rows.")


def _is_ours(batch: Batch, entity: TableEntity | None) -> bool:
    return entity is not None and entity.get("wid") == batch.wid


def _kept_etag(batch: Batch, entry: Entry, entity: TableEntity | None) -> str:
    if entry.text is None:
        return ""
    return etag_of(entity) if entity is not None and _is_ours(batch, entity) else OVERWRITTEN


def _untouched(entry: Entry, entity: TableEntity | None) -> bool:
    return entity is None if entry.etag is None else entity is not None and etag_of(entity) == entry.etag
