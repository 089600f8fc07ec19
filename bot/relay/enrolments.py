"""Invitations and probes in the store: one partition for a tenant, every write held against what was read before it."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.clock import Clock
from bot.relay.enrolment import TRIES, Invitation
from bot.relay.envelope import EnrolledProbe, PublicKey, Standing, b64, unb64
from bot.relay.wire import ProbeIdentity, WireError, wall
from bot.store import Ambiguous, Conflict, Damaged, Row, Store, Write

NAMESPACE: Final = "probes"
SCHEMA: Final = 1
ROUNDS: Final = 8
"""As often as a lost race is run again."""
MOST_KEYS: Final = 2_000
SWEPT: Final = 80
"""Old invitations deleted with one new one; a write takes 100 rows."""
_KID = re.compile(r"[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ProbeRecord:
    """A probe as it is kept, with who did what to it; times are milliseconds since 1970, people are object ids."""

    probe: EnrolledProbe
    applied: int
    confirmed: int = 0
    confirmed_by: str = ""
    revoked: int = 0
    revoked_by: str = ""
    bad_tries: int = 0
    """Wrong fingerprints."""

    @property
    def name(self) -> str:
        return self.probe.identity.probe


class StoredEnrolments:
    """One tenant's. Nothing that can change is remembered here: a revoked probe is revoked for everybody at once.

    What is remembered is which name a key was enrolled under: that row is written once and never changed.
    """

    def __init__(self, store: Store, tenant: str, clock: Clock) -> None:
        self._store, self._tenant, self._clock = store, tenant, clock
        self._names: dict[str, str] = {}

    # What enrolment.py asks for.

    async def invitation(self, id_: str, /) -> Invitation | None:
        row = await self._row(f"inv.{id_}") if _ID.fullmatch(id_) else None
        return _invitation(row) if row else None

    async def probe(self, tenant: str, name: str, /) -> EnrolledProbe | None:
        record = await self.record(name) if tenant == self._tenant else None
        return record.probe if record else None

    async def taken(self, kid: str, /) -> bool:
        return await self._name(kid) is not None

    async def replace(self, old: Invitation, new: Invitation, /) -> bool:
        """An unclear outcome counts as lost: then a bad try counts twice rather than not at all."""
        row = await self._row(f"inv.{old.id}")
        if row is None or _invitation(row) != old:
            return False
        return await self._put([Write(row.rk, _of_invitation(new), row.etag)], _no)

    async def enrol(self, old: Invitation, was: EnrolledProbe | None, now: EnrolledProbe, /) -> bool:
        """The key's own row is inserted with them, so that no key comes back, be it under another name."""
        invited, before = await self._row(f"inv.{old.id}"), await self._row(_probe_key(old.probe))
        known = _record(before).probe if before else None
        if invited is None or _invitation(invited) != old or known != was:
            return False
        record, etag = ProbeRecord(now, wall(self._clock)), before.etag if before else None
        writes = [
            Write(invited.rk, _of_invitation(replace(old, used=True)), invited.etag),
            Write(_probe_key(old.probe), _of_record(record), etag),
            Write(f"kid.{now.key.kid}", {"schema": SCHEMA, "probe": now.identity.probe}),
        ]

        async def there() -> bool:
            return await self.probe(self._tenant, old.probe) == now

        return await self._put(writes, there)

    # What the bot asks for.

    async def invited(self, new: Invitation) -> None:
        """Keeps it; an earlier one for the same probe ends. Raises Conflict when others write all the time."""
        for _ in range(ROUNDS):
            rows = [row for row in await self._rows("inv.") if self._ends(_invitation(row), new.probe)]
            writes = [Write(row.rk, None, row.etag) for row in rows[:SWEPT]]
            if await self._put([*writes, Write(f"inv.{new.id}", _of_invitation(new))], _no):
                return
        raise Conflict("Others are changing the probes at the same time. Please try again.")

    async def withdrawn(self, name: str) -> int:
        """Ends the open invitations for a probe; how many there were."""
        for _ in range(ROUNDS):
            rows = [row for row in await self._rows("inv.") if _open_for(_invitation(row), name, wall(self._clock))]
            if not rows:
                return 0
            if await self._put([Write(row.rk, None, row.etag) for row in rows[:SWEPT]], _no):
                return len(rows)
        raise Conflict("Others are changing the probes at the same time. Please try again.")

    async def record(self, name: str) -> ProbeRecord | None:
        row = await self._row(_probe_key(name))
        return _record(row) if row else None

    async def change(self, old: ProbeRecord, new: ProbeRecord) -> bool:
        """Whether it was kept; not if the probe is not any more as it was read."""
        row = await self._row(_probe_key(old.name))
        if row is None or _record(row) != old:
            return False

        async def there() -> bool:
            return await self.record(new.name) == new

        return await self._put([Write(row.rk, _of_record(new), row.etag)], there)

    async def by_kid(self, kid: str) -> EnrolledProbe | None:
        """Whose present key it is, read anew each time; the keys of earlier generations are nobody's."""
        name = await self._name(kid) if _KID.fullmatch(kid) else None
        record = await self.record(name) if name else None
        return record.probe if record and record.probe.key.kid == kid else None

    async def everyone(self, tenant: str) -> tuple[EnrolledProbe, ...]:
        return tuple(record.probe for record in await self.records()) if tenant == self._tenant else ()

    async def records(self) -> tuple[ProbeRecord, ...]:
        return tuple(_record(row) for row in await self._rows("probe."))

    async def _name(self, kid: str) -> str | None:
        if kid not in self._names:
            row = await self._row(f"kid.{kid}")
            if row is None:
                return None
            if len(self._names) >= MOST_KEYS:
                self._names.clear()
            self._names[kid] = str(row.value["probe"])
        return self._names[kid]

    def _ends(self, kept: Invitation, probe: str) -> bool:
        now = wall(self._clock)
        return kept.expires < now or _open_for(kept, probe, now)

    async def _row(self, rk: str) -> Row | None:
        return await self._store.get(NAMESPACE, self._tenant, rk)

    async def _rows(self, kind: str) -> list[Row]:
        rows, token = await self._store.scan(NAMESPACE, self._tenant, kind, kind + "~")
        while token is not None:
            more, token = await self._store.scan(NAMESPACE, self._tenant, kind, kind + "~", token=token)
            rows += more
        return rows

    async def _put(self, writes: Sequence[Write], there: Callable[[], Awaitable[bool]]) -> bool:
        """`there` tells, where nobody can say whether it was written, whether it was."""
        try:
            await self._store.put(NAMESPACE, self._tenant, writes)
        except Conflict:
            return False
        except Ambiguous:
            return await there()
        return True


async def _no() -> bool:
    return False


def _probe_key(name: str) -> str:
    """Windows tells no capital from a small letter, and neither does the name of a queue."""
    return f"probe.{name.lower()}"


def _open_for(kept: Invitation, name: str, now: int) -> bool:
    same = kept.probe.lower() == name.lower()
    return same and not kept.used and kept.expires >= now


Value = Mapping[str, Any]


def _of_invitation(kept: Invitation) -> Value:
    return {
        "schema": SCHEMA,
        "id": kept.id,
        "secret_hash": b64(kept.secret_hash),
        "tenant": kept.tenant,
        "probe": kept.probe,
        "ops": sorted(kept.ops),
        "invited_by": kept.invited_by,
        "expires": str(kept.expires),
        "bad_tries": min(kept.bad_tries, TRIES),
        "used": kept.used,
    }


def _invitation(row: Row) -> Invitation:
    it = _ours(row)
    return Invitation(
        it["id"],
        unb64(it["secret_hash"]),
        it["tenant"],
        it["probe"],
        frozenset(it["ops"]),
        it["invited_by"],
        int(it["expires"]),
        it["bad_tries"],
        it["used"],
    )


def _of_record(record: ProbeRecord) -> Value:
    """Times as text: not every engine keeps whole numbers beyond 32 bits."""
    probe = record.probe
    return {
        "schema": SCHEMA,
        "tenant": probe.identity.tenant,
        "probe": probe.identity.probe,
        "gen": probe.identity.gen,
        "key": probe.key.text,
        "ops": sorted(probe.ops),
        "host": probe.host,
        "invited_by": probe.invited_by,
        "standing": probe.standing.value,
        "dead": sorted(probe.dead),
        "applied": str(record.applied),
        "confirmed": str(record.confirmed),
        "confirmed_by": record.confirmed_by,
        "revoked": str(record.revoked),
        "revoked_by": record.revoked_by,
        "bad_tries": record.bad_tries,
    }


def _record(row: Row) -> ProbeRecord:
    it = _ours(row)
    probe = EnrolledProbe(
        ProbeIdentity(it["tenant"], it["probe"], it["gen"]),
        _key(it["key"]),
        frozenset(it["ops"]),
        it["host"],
        it["invited_by"],
        Standing(it["standing"]),
        frozenset(it["dead"]),
    )
    times = int(it["applied"]), int(it["confirmed"]), it["confirmed_by"], int(it["revoked"]), it["revoked_by"]
    return ProbeRecord(probe, *times, it["bad_tries"])


def _key(text: str) -> PublicKey:
    try:
        return PublicKey.from_text(text)
    except WireError as error:
        raise Damaged("A probe's key in the store is damaged.") from error


def _ours(row: Row) -> Value:
    """A row of a later version is not guessed at."""
    if row.value.get("schema") != SCHEMA:
        raise Damaged("The store holds probes that a later version of me has written: update me first.")
    return row.value
