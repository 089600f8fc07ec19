"""Where a subject stands and what the configuration selects, as the rules about scope speak of it."""

from bot.evidence import Because, Missing
from skills.facts.ad import AdObject
from skills.facts.schema import SyncSchema
from skills.facts.subject import AdAccount, Placement
from skills.rules.standing import ad_object, place_dn
from skills.scoping import (
    Scope,
    place_of,
)

OUTSIDE = frozenset({
    "scope-pod-misleading", "cloud-user-soft-deleted", "cloud-hard-deleted", "cloud-disconnected-restored",
    "match-soft-deleted-holder", "phs-user-out-of-scope", "obj-already-in-sync",
})  # fmt: skip
"""How it shows that somebody is out of scope."""


def from_place(place: Placement, account: AdAccount | Missing) -> Because:
    """The record that tells where the subject stands."""
    seen = ad_object(account)
    record = account.record if seen and not isinstance(account, Missing) else place.record
    return record.saying(f"the account is {place_dn(place, account)}")


def selection(schema: SyncSchema) -> str:
    names = schema.containers + schema.groups
    return "; ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def placed(schema: SyncSchema, place: Placement, account: AdAccount | Missing) -> tuple[str, AdObject | None, Scope]:
    dn, seen = place_dn(place, account), ad_object(account)
    return dn, seen, place_of(schema, dn, seen)
