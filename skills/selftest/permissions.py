"""One line for each permission: what its call came to, and what the bot's token says of it besides."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.doctor.findings import Group, Item, Line
from bot.evidence import SourceError
from bot.graph_errors import Forbidden, GraphError, Unlicensed
from bot.reach import Reach
from skills.permissions import PERMISSIONS, Permission
from skills.selftest.proofs import PROOFS, UNPROVABLE, NotTried

SCRIPT: Final = "infra/azure/grant.ps1"
PRINCIPAL: Final = "<object id of the bot's identity>"
RENEWED: Final = "It shows once the bot has a new token: within the hour, a managed identity's within a day."
NO_PERMISSIONS: Final = Item("permissions", Group.SIGN_IN, "Permissions in Microsoft Graph")


@dataclass(frozen=True, slots=True)
class Tried:
    """What one call came to. `error` None: it was answered."""

    permission: Permission
    error: SourceError | None
    claimed: bool | None
    """Whether the token names the permission; None where no token tells."""
    acts: bool
    """Whether this bot is meant to change anything."""
    principal: str = PRINCIPAL

    @property
    def wanted(self) -> bool:
        """Whether it is meant to be granted here."""
        return not self.permission.optional and (self.acts or not self.permission.full_only)

    @property
    def fix(self) -> str:
        """The very command: it grants a bot that only reads nothing else besides."""
        named = f" -Include {self.permission.name}" if self.permission.optional else ""
        reading = "" if self.acts else " -ReadOnly"
        return f"{SCRIPT} -PrincipalId {self.principal}{named}{reading} (docs/install.md). {RENEWED}"

    @property
    def chosen(self) -> tuple[str, str]:
        """Why it is left out here, and what to do about it."""
        if self.permission.full_only and not self.acts:
            return "this bot only reads", "If it shall do more than that: docs/install.md, the full deployment."
        return "it is granted only when asked for by name", f"If it is wanted: {self.fix}"


async def permissions(reach: Reach) -> Sequence[Line]:
    trying = asyncio.gather(*(_tried(each, reach) for each in PERMISSIONS))
    claims, errors = await asyncio.gather(reach.itself.claims(), trying)
    principal = claims.principal if claims and claims.principal else PRINCIPAL
    acts = reach.itself.wants_acts
    return [
        _line(Tried(each, error, None if claims is None else each.name in claims.roles, acts, principal))
        for each, error in zip(PERMISSIONS, errors, strict=True)
    ]


async def _tried(each: Permission, reach: Reach) -> SourceError | None:
    proof = PROOFS.get(each.name)
    if proof is None:
        return NotTried(UNPROVABLE.get(each.name, "no harmless call is known that needs it"))
    try:
        await proof.call(reach)
    except SourceError as error:
        return error
    return None


def item_of(each: Permission) -> Item:
    return Item(f"permission.{each.name}", Group.SIGN_IN, each.name)


def lost_without(each: Permission) -> str:
    return each.without[:1].lower() + each.without[1:].rstrip(".")


def _line(tried: Tried) -> Line:
    each, item, lost = tried.permission, item_of(tried.permission), lost_without(tried.permission)
    match tried.error:
        case None:
            covered = "; the token does not name it, so that another one covers this" if tried.claimed is False else ""
            return item.ok(f"{PROOFS[each.name].shows}{covered}.")
        case NotTried() as error:
            return _by_claim(tried, error.reason)
        case Unlicensed():
            return item.degraded("It cannot be tried: the tenant's licence stands before it.", lost)
        case Forbidden():
            return _refused(tried)
        case GraphError() | SourceError() as error:
            return item.degraded(f"It could not be tried. {error.reason}", lost)


def _refused(tried: Tried) -> Line:
    item, lost, fix = item_of(tried.permission), lost_without(tried.permission), tried.fix
    if tried.claimed:
        told = "The bot's token names it, and Microsoft Graph refuses the call all the same."
        return item.degraded(
            told, lost, "Try again in an hour; if it stays so, Graph does not let applications do this."
        )
    if tried.wanted:
        return item.missing("Microsoft Graph refuses the call that needs it (403).", lost, fix)
    chosen, mend = tried.chosen
    return item.degraded(f"Not granted: {chosen}.", lost, mend)


def _by_claim(tried: Tried, why: str) -> Line:
    """Where no call tells, the token's claim is taken for what it is."""
    item, lost, fix = item_of(tried.permission), lost_without(tried.permission), tried.fix
    if tried.claimed:
        return item.ok(f"The bot's token names it; not tried: {why}.")
    if tried.claimed is None:
        told = f"Whether it is granted is not known: {why}."
        return item.degraded(told, f"perhaps {lost}", "" if tried.wanted else tried.chosen[1])
    if tried.wanted:
        return item.missing(f"The bot's token does not name it; not tried: {why}.", lost, fix)
    chosen, mend = tried.chosen
    return item.degraded(f"The bot's token does not name it: {chosen}.", lost, mend)
