"""The bot's own parts as they can be looked at, by the running bot or from a shell beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.acts import Action
from bot.clock import Clock
from bot.doctor import configured, keeping, keys, reaching, relaying, signing_in
from bot.doctor.findings import Check, Claims, Item, Line, Look
from bot.doctor.ruling import APPROVERS, GROUPS, NOBODY, POLICY, Ruling, loaded
from bot.doctor.signing_in import MakeCredential, NoToken
from bot.policy import Policy
from bot.reach import GraphReader
from bot.readiness import Keys
from bot.relay.client import Probes
from bot.settings import Settings
from bot.store import Store


@dataclass(frozen=True)
class Running:
    """What only the running bot has."""

    store: Store
    probes: Probes
    keys: Keys | None
    policy: Policy


@dataclass(frozen=True)
class OwnParts:
    """`running` None: it is looked at from outside, with connections of our own."""

    settings: Settings
    clock: Clock
    graph: GraphReader
    actions: Mapping[str, Action]
    credential: MakeCredential
    running: Running | None = None
    refused: tuple[str, ...] = ()

    @property
    def wants_acts(self) -> bool:
        policy = self.running.policy if self.running else loaded(self.settings, self.actions)
        return isinstance(policy, Policy) and not policy.read_only

    async def claims(self) -> Claims | None:
        try:
            return signing_in.claims_of(await signing_in.token(self.settings, self.credential))
        except NoToken:
            return None

    def checks(self) -> Sequence[Check]:
        it, make, now = self.settings, self.credential, self.running
        store = now.store if now else None
        rules = Ruling(it, self.actions, self.graph, now.policy if now else None)
        approval = "an act may be asked for that nobody can approve"
        looks: tuple[tuple[Item, Look, str], ...] = (
            (configured.ITEM, self._settings, configured.NOT_STARTED),
            (signing_in.SIGN_IN, lambda: signing_in.sign_in(it, make), signing_in.NO_ANSWERS),
            (keeping.STORE, lambda: keeping.store(it, make, store, self.clock), keeping.FORGETS),
            (keeping.AUDIT, lambda: keeping.audit(it, make, store, self.clock), keeping.UNSIGNED),
            (keys.OWN, lambda: keys.own(it, make), keys.UNSIGNED),
            (keys.TEAMS, lambda: keys.teams(it, now.keys if now else None), keys.DEAF),
            (signing_in.CREDENTIAL, lambda: signing_in.credential(it, self.clock), signing_in.NO_ANSWERS),
            (keys.CLOCK, lambda: keys.clock(it, self.clock), keys.UNTIMED),
            (relaying.RELAY, lambda: relaying.relay(it, make, self.clock), relaying.SLOW),
            (relaying.PROBES, lambda: self._probes(store), relaying.BLIND),
            (POLICY, rules.file, NOBODY),
            (GROUPS, rules.groups, "whether whoever was meant has their role is not known"),
            (APPROVERS, rules.approvers, approval),
            (reaching.ADDRESS, lambda: reaching.reached(it, self.clock), reaching.UNHEARD),
        )
        return [Check(item, look, lost) for item, look, lost in looks]

    async def _settings(self) -> Sequence[Line]:
        return configured.settings_lines(self.settings, self.refused)

    async def _probes(self, store: Store | None) -> Sequence[Line]:
        seen = self.running.probes if self.running else None
        return await relaying.probes(self.settings, self.credential, self.clock, store, seen)
