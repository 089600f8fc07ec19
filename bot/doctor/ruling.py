"""The policy: whether it is sound, whether those it names exist, and whether two people can be found for every act."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.act_approvers import USER
from bot.acts import Action
from bot.doctor.findings import Group, Item, Line
from bot.graph_errors import NotFound
from bot.odata import Query
from bot.policy import Members, Policy, RefusedPolicy, Role
from bot.policy_trial import doubts
from bot.reach import GraphReader
from bot.settings import Settings

POLICY: Final = Item("policy", Group.POLICY, "Policy file")
SECOND_LOOK: Final = Item("policy.doubts", Group.POLICY, "Policy, at a second look")
GROUPS: Final = Item("policy.groups", Group.POLICY, "Groups of the policy")
APPROVERS: Final = Item("policy.approvers", Group.POLICY, "Two people for every act")
NOBODY: Final = "nobody may ask anything: the bot does not start"
ENOUGH: Final = 40
"""Members of a group that are counted; more are enough whatever is asked of them."""
WHERE_GROUPS: Final = "Entra admin centre > Groups"


def loaded(settings: Settings, actions: Mapping[str, Action]) -> Policy | Line:
    """The policy as the file has it now and the settings narrow it, as the bot goes by it; or why there is none."""
    path = settings.policy
    if path is None:
        fix = "Write one (docs/policy.md) and set WHYSYNC_POLICY to it."
        return POLICY.missing("WHYSYNC_POLICY is not set.", NOBODY, fix)
    try:
        policy = Policy.load(path, actions)
    except RefusedPolicy as refusal:
        more = f" (and {len(refusal.lines) - 1} more)" if len(refusal.lines) > 1 else ""
        fix = f"whysync policy check {path}"
        return POLICY.missing(f"{refusal.lines[0]}{more}", NOBODY, fix)
    return replace(policy, read_only=policy.read_only or settings.read_only)


@dataclass(frozen=True)
class Ruling:
    """`running`: the policy that the running bot goes by, which may be older than its file."""

    settings: Settings
    actions: Mapping[str, Action]
    graph: GraphReader
    running: Policy | None = None

    async def file(self) -> Sequence[Line]:
        policy = await asyncio.to_thread(loaded, self.settings, self.actions)
        if isinstance(policy, Line):
            return [policy]
        return [self._judged(policy), *self._doubted(policy)]

    def _judged(self, policy: Policy) -> Line:
        path, empty = self.settings.policy, [role.value for role in Role if not policy.roles.get(role)]
        if Role.ADMIN.value in empty:
            fix = f"{path}: name people or groups in [roles] admin (docs/policy.md)."
            return POLICY.missing("Nobody is admin.", "nobody may ask about the tenant, or take a probe in", fix)
        if self.running is not None and self.running != policy:
            told = "The file has changed since the bot started."
            return POLICY.degraded(told, "what it now says does not count yet", "Restart the bot.")
        nobody = f" Nobody is {', '.join(empty)}." if empty else " Every role has somebody."
        return POLICY.ok(f"{path} has no mistakes.{nobody}")

    def _doubted(self, policy: Policy) -> list[Line]:
        found = doubts(policy, self.actions)
        if not found:
            return []
        fix = f"Read them all: whysync policy check {self.settings.policy}"
        lost = "an act may run with less consent than was meant, or never"
        told = f"{len(found)} {'remark' if len(found) == 1 else 'remarks'}: {found[0]}."
        return [SECOND_LOOK.degraded(told, lost, fix)]

    async def groups(self) -> Sequence[Line]:
        """A group that does not exist gives its role to nobody, and says nothing."""
        policy = await asyncio.to_thread(loaded, self.settings, self.actions)
        if isinstance(policy, Line):
            return []
        named = sorted({*policy.groups, *(group for op in self.actions for group in policy.groups_for(op))})
        if not named:
            return [GROUPS.ok("The policy names people alone.")]
        gone = [group for group in await asyncio.gather(*map(self._exists, named)) if group]
        if gone:
            fix = f"{self.settings.policy}: replace them by ids that exist ({WHERE_GROUPS}: Object Id)."
            return [GROUPS.missing(f"Not in the directory: {', '.join(gone)}.", "whoever was meant has no role", fix)]
        return [GROUPS.ok(f"{len(named)} named, and all are in the directory.")]

    async def _exists(self, group: str) -> str:
        """Its id where it does not; empty where it does. Raises SourceError."""
        try:
            await self.graph.get("/groups/{group}", query=Query(select=("id", "displayName")), within=6, group=group)
        except NotFound:
            return group
        return ""

    async def approvers(self) -> Sequence[Line]:
        policy = await asyncio.to_thread(loaded, self.settings, self.actions)
        if isinstance(policy, Line):
            return []
        if policy.read_only:
            why = "WHYSYNC_READ_ONLY" if self.settings.read_only else "actions.read_only"
            return [APPROVERS.ok(f"{why}: nothing is asked for, approved or run.")]
        wanted = [op for op in sorted(self.actions) if policy.quorum(op, self.actions[op])]
        groups = sorted({group for op in wanted for group in policy.approvers(op).groups})
        accounts = dict(zip(groups, await asyncio.gather(*map(self._members, groups)), strict=True))
        short = [told for op in wanted for told in self._short(policy, op, accounts)]
        if short:
            fix = f"Add people to the approving groups ({WHERE_GROUPS}), or name more in {self.settings.policy}."
            return [APPROVERS.degraded(f"{'; '.join(short)}.", "these acts can never run", fix)]
        return [APPROVERS.ok(f"Enough people may approve, for all {len(wanted)} acts that need consent.")]

    def _short(self, policy: Policy, op: str, accounts: Mapping[str, frozenset[str]]) -> Iterator[str]:
        """Whoever asks does not approve: where askers are among the approvers, one more is needed."""
        quorum, named = policy.quorum(op, self.actions[op]), policy.approvers(op)
        found = named.people.union(*(accounts[group] for group in named.groups))
        held = [policy.roles.get(role, Members()) for role in policy.askers(op, self.actions[op])]
        among = any(each.people & named.people or each.groups & named.groups for each in held)
        if len(found) < quorum + among:
            whom = "whoever asks among them" if among else "whoever asks"
            yield f"{op} needs {quorum} to agree beside {whom}, and {len(found)} may"

    async def _members(self, group: str) -> frozenset[str]:
        """Enabled accounts, nested groups as well."""
        query, path = Query(select=("id", "accountEnabled"), top=ENOUGH), "/groups/{group}/transitiveMembers"
        try:
            body = await self.graph.get(path, query=query, needs="GroupMember.Read.All", within=6, group=group)
        except NotFound:
            return frozenset()
        rows = [row for row in body.get("value") or () if row.get("@odata.type", USER) == USER]
        return frozenset(str(row["id"]).lower() for row in rows if row.get("accountEnabled") is not False)
