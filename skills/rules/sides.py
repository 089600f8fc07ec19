"""Split brain: the AD object and its anchor on one side, on the other every account that stands in its place."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.diagnosis import Finding, Rule, rule
from bot.evidence import Because, Missing, Record
from skills.facts.ad import AdObject
from skills.facts.directory import AccountRoles, CloudAccount, CloudUser, Holder, HolderKind, Holders, addresses
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.reading import anchor_of, guid
from skills.facts.subject import AdAccount, Identity, domain_of
from skills.rules.cured import cured, named_attributes, speaks_of
from skills.rules.standing import ad_object, failing, newest_first

UNIQUE = (
    "mustbeunique", "duplicateuserprincipalname", "duplicateproxyaddress", "entryconflict", "uniqueness",
    "another object", "already in use", "valuealreadyexists",
)  # fmt: skip
SOFT = ("invalidsoftmatch", "softmatch")
ADMIN = ("existingadminroleconflict", "adminroleconflict")
ON_PREMISES = "hybridsynchronization"
NOT_ASKED = Missing("not asked")
_ADDRESS = re.compile(r"\w[\w.!#$%&'*+/=?^`{|}~-]*@[\w-]+(?:\.[\w-]+)+")

DUPLICATES = frozenset({"match-dup-upn", "match-dup-proxy", "match-dup-mail", "match-hidden-mepf"})
"""How it shows that somebody else holds a value."""
CONFLICTS = DUPLICATES | {"match-invalid-soft-match", "sched-escrow-retry"}
"""How a split brain of any kind shows."""


@dataclass(frozen=True)
class Sides:
    row: LogRow | None
    """The failure that stands, unless its reason is gone by now."""
    seen: AdObject | None
    others: tuple[AdObject, ...]
    """Further live AD objects that hold a value of the subject."""
    ad_record: Record | None
    anchor: str | None
    """What the AD object is joined by; None where nobody told it."""
    anchor_record: Record | None
    addresses: frozenset[str]
    upn: str | None
    mail: str | None
    sam: str | None
    name: str
    own: CloudUser | None
    """The live account that is tied to the AD object."""
    rivals: tuple[Holder, ...]
    """Everybody else who holds a value of the subject, live ones first."""
    searched: bool
    """Users, groups, contacts and the recycle bin were all searched."""

    def fails(self, *groups: Iterable[str]) -> bool:
        """Whether the failure that stands speaks of one of these, in the cloud and not in Active Directory."""
        if self.row is None or ON_PREMISES in (self.row.code or "").lower():
            return False
        return any(speaks_of(self.row, words) for words in groups)

    @property
    def conflict(self) -> bool:
        """The failure is that a value is somebody else's."""
        code = (self.row.code or "").lower() if self.row else ""
        return self.fails(UNIQUE) or (code.endswith("conflict") and not self.fails(ADMIN))

    @property
    def contested(self) -> frozenset[str]:
        """The attributes fought over: as the message names them, else as the holders hold them."""
        if self.row is None or not self.conflict:
            return frozenset()
        named = {name.lower() for name in named_attributes(self.row)}
        if speaks_of(self.row, ("duplicateuserprincipalname",)):
            named.add("userprincipalname")
        strong = frozenset(named & {"userprincipalname", "proxyaddresses"})
        if strong or "mail" in named:
            return strong or frozenset({"mail"})
        held = {each.attribute.lower() for each in self.rivals} & {"userprincipalname", "proxyaddresses", "mail"}
        return frozenset(held or {"proxyaddresses"})

    def values(self, attribute: str) -> frozenset[str]:
        """The values fought over: those in the message, else all that the subject has of the attribute."""
        told = addresses(*_ADDRESS.findall(self.row.reason or "")) if self.row else frozenset[str]()
        own = {"userprincipalname": addresses(self.upn), "mail": addresses(self.mail)}.get(attribute, self.addresses)
        return told or own or self.addresses

    def holders_of(self, values: frozenset[str]) -> tuple[Holder, ...]:
        return tuple(each for each in self.rivals if holds(each, values))

    def twin(self) -> Holder | None:
        """A live account, never synced, that is made out to be this very person."""
        return next((each for each in self.rivals if self._is_twin(each)), None)

    def _is_twin(self, rival: Holder) -> bool:
        user = rival.user
        if user is None or rival.kind is not HolderKind.USER or not user.never_synced:
            return False
        return not (user.anchor and user.anchor == self.anchor) and self.is_same_person(user)

    def is_same_person(self, user: CloudUser) -> bool:
        """Bears the UPN, the primary address or the account name, and no name that is plainly another's."""
        principal = addresses(self.upn, self.mail)
        bears = bool(principal & addresses(user.upn, user.mail, user.onprem_upn)) or _same(self.sam, user.sam)
        return bears and alike(self.name, user.display_name)

    def told_anchor(self) -> Because | None:
        if self.anchor is None or self.anchor_record is None:
            return None
        return self.anchor_record.saying(f"the source anchor of the AD object is {self.anchor}")


def sides(
    rows: SubjectRows | Missing,
    tries: Attempts | Missing,
    account: AdAccount | Missing,
    cloud: CloudAccount | Missing,
    holders: Holders | Missing,
    who: Identity | Missing,
) -> Sides:
    tries = own_tries(tries, who)
    seen, row = ad_object(account), failing(rows, tries)
    anchor, told = _anchor(account, seen, newest_first(rows, tries))
    live = [] if isinstance(cloud, Missing) or cloud.user is None else [cloud.user]
    own = next((user for user in live if _tied(user, anchor)), None)
    person = None if isinstance(who, Missing) else who.subject
    upn = (seen.upn if seen else None) or (person.upn if person else None)
    mail = (seen.mail if seen else None) or (person.mail if person else None)
    mine = seen.addresses if seen else person.addresses if person else frozenset[str]()
    others = () if isinstance(account, Missing) else account.others
    return Sides(
        row=None if row and cured(row, seen, NOT_ASKED) else row,
        seen=seen,
        others=tuple(each for each in others if not each.deleted),
        ad_record=None if isinstance(account, Missing) else account.record,
        anchor=anchor,
        anchor_record=told,
        addresses=mine,
        upn=upn,
        mail=mail,
        sam=(seen.sam if seen else None) or (person.sam if person else None),
        name=(seen.display_name if seen else None) or (person.name if person else None) or "",
        own=own,
        rivals=_rivals(live, own, holders, mine, upn),
        searched=not isinstance(holders, Missing),
    )


def own_tries(tries: Attempts | Missing, who: Identity | Missing) -> Attempts | Missing:
    """Run-now results of the subject itself; others are of control objects."""
    dn = None if isinstance(who, Missing) else who.subject.dn
    if isinstance(tries, Missing) or dn is None:
        return tries
    return Attempts(tries.record, tuple(each for each in tries.attempts if each.dn.lower() == dn.lower()))


def _tied(user: CloudUser, anchor: str | None) -> bool:
    return user.anchor == anchor if anchor else bool(user.synced)


def _anchor(
    account: AdAccount | Missing, seen: AdObject | None, rows: tuple[LogRow, ...]
) -> tuple[str | None, Record | None]:
    """As a probe read it; else as the import step of a log row did; else from the row's source id."""
    if seen and seen.anchor and not isinstance(account, Missing):
        return seen.anchor, account.record
    for row in rows:
        read = _imported(row) or (anchor_of(row.source_id) if guid(row.source_id) and row.source_id else None)
        if read:
            return read, row.record
    return None, None


def _imported(row: LogRow) -> str | None:
    told = {key.lower(): value for step in row.steps if step.type == "import" for key, value in step.details.items()}
    return told.get("ms-ds-consistencyguid") or told.get("objectguid") or None


def _rivals(
    live: Iterable[CloudUser], own: CloudUser | None, holders: Holders | Missing, mine: frozenset[str], upn: str | None
) -> tuple[Holder, ...]:
    strangers = [_holder(user, mine, upn) for user in live if own is None or user.id != own.id]
    listed = () if isinstance(holders, Missing) else holders.holders
    found = {each.id: each for each in (*listed, *strangers) if own is None or each.id != own.id}
    return tuple(sorted(found.values(), key=lambda each: each.kind is HolderKind.DELETED_USER))


def _holder(user: CloudUser, mine: frozenset[str], upn: str | None) -> Holder:
    shared = sorted(user.addresses & mine)
    same = bool(user.upn and upn and user.upn.lower() == upn.lower())
    attribute = "userPrincipalName" if same else "proxyAddresses" if shared else "onPremisesImmutableId"
    value = (user.upn if same else shared[0] if shared else user.anchor) or ""
    return Holder(
        user.record, HolderKind.USER, user.id, user.display_name, attribute, value, user.synced, user.anchor, user=user
    )


def holds(rival: Holder, values: frozenset[str]) -> bool:
    held = {rival.value.lower()} | (rival.user.addresses if rival.user else frozenset())
    if rival.attribute.lower() == "mailnickname":
        return rival.value.lower() in {value.partition("@")[0] for value in values}
    if rival.kind is HolderKind.DELETED_USER:
        return any(each.endswith(value) for each in held for value in values)
    return bool(held & values)


def called(rival: Holder) -> str:
    """`the user John Doe`: for a sentence that is read first."""
    kind = "Microsoft 365 group" if rival.unified else rival.kind.value
    return f"the {kind} {rival.display_name or (rival.user.upn if rival.user else None) or rival.value}"


def described(rival: Holder) -> str:
    """`the user John Doe (john@contoso.com, id 7f3a…)`."""
    name = (rival.user.upn if rival.user else None) or rival.value
    return f"{called(rival)} ({name}, id {rival.id})"


def sentence(text: str) -> str:
    """With a capital letter in front, and the names in it as they are."""
    return text[:1].upper() + text[1:]


def roles_held(roles: AccountRoles) -> str:
    return "roles: " + ", ".join(f"{each.role}{' (eligible)' if each.eligible else ''}" for each in roles.roles)


def alike(one: str | None, other: str | None) -> bool:
    """Whether two display names can be one person's: `Jane Doe` and `Doe, J.` can, `John Doe` and `Jane Doe` cannot."""
    first, second = _words(one), _words(other)
    if not first or not second:
        return True
    short, long = sorted((first, second), key=len)
    return all(any(a.startswith(b) or b.startswith(a) for b in long) for a in short)


def _words(name: str | None) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", re.sub(r"\(.*?\)", " ", name or "").lower()))


def _same(one: str | None, other: str | None) -> bool:
    return bool(one and other and one.lower() == other.lower())


def same_object_name(seen: AdObject, user: CloudUser) -> bool | None:
    """Whether account name and AD domain agree: in one domain only one object bears a name. None: not known."""
    domains = {domain for domain in (user.domain, domain_of(seen.dn)) if domain}
    if not seen.sam or not user.sam:
        return None
    return _same(seen.sam, user.sam) and len({domain.lower() for domain in domains}) <= 1


Judged = Callable[[Sides], Finding | None]


def on_failure(
    id: str,  # noqa: A002  # as in `rule`
    question: str,
    *,
    explains: Iterable[str] = (),
) -> Callable[[Judged], tuple[Rule, Rule]]:
    """Declares a judgement of both sides: one rule on the log, and one on run-now results where no log can be read."""

    def declare(judge: Judged) -> tuple[Rule, Rule]:
        @rule(id, question, explains=explains)
        def in_log(
            rows: SubjectRows,
            tries: Attempts | Missing,
            account: AdAccount | Missing,
            cloud: CloudAccount | Missing,
            holders: Holders | Missing,
            who: Identity | Missing,
        ) -> Finding | None:
            if failing(rows, own_tries(tries, who)) is None:
                return None
            return judge(sides(rows, tries, account, cloud, holders, who))

        @rule(id, question, explains=explains)
        def in_run_now(
            tries: Attempts,
            rows: SubjectRows | Missing,
            account: AdAccount | Missing,
            cloud: CloudAccount | Missing,
            holders: Holders | Missing,
            who: Identity | Missing,
        ) -> Finding | None:
            if not isinstance(rows, Missing) or failing(rows, own_tries(tries, who)) is None:
                return None
            return judge(sides(rows, tries, account, cloud, holders, who))

        return in_log, in_run_now

    return declare
