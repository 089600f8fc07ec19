"""Check `gmsa`: the account of the agent's service: may it log on, and can this server fetch its password."""

import re
from typing import Any, Final

from bot.probe.checks.asking import asked, with_notes
from bot.probe.powershell import Script
from bot.probe.powershell_json import instant, items, rows, stamp, word, words
from bot.probe.reach import Observed, ProbeReach
from skills.facts.reading import Json, flag, number

TYPES: Final = ((0x1, "DES"), (0x2, "DES"), (0x4, "RC4"), (0x8, "AES128"), (0x10, "AES256"))
EVERYBODY: Final = frozenset({"S-1-1-0", "S-1-5-11", "S-1-5-6", "Everyone"})
"""Everyone, authenticated users, and whatever logs on as a service."""
ALL_SERVICES: Final = frozenset({"S-1-5-80-0", "NT SERVICE\\ALL SERVICES"})
LOCKED: Final = 0x10


async def gmsa(reach: ProbeReach) -> Observed:
    return await asked(reach, Script.GMSA, read_gmsa)


def read_gmsa(body: dict[str, Any]) -> Observed:
    account = word(body, "account")
    if account is None:
        return Observed(None, None, "no agent's service on this server, so there is no account to look at")
    gone = is_gone(body)
    data = {
        "account": account,
        "test": False if gone else flag(body, "test"),
        "logonRight": logon_right(body),
        "hostsAllowed": [_trustee(each, body) for each in rows(body, "hosts")] if "hosts" in body else None,
        "encryptionTypes": encryption_types(body.get("encryption")),
        "hostEncryptionTypes": encryption_types(body.get("hostEncryption")),
        "locked": _locked(body),
        "managed": flag(body, "managed") if number(body, "managed") is None else number(body, "managed") == 1,
        "schemaVersion": number(body, "schemaVersion"),
        "created": stamp(instant(body, "created")),
    }
    told = {key: value for key, value in data.items() if value is not None} | root_key(body)
    error = f"the account {account} was not found in the directory" if gone else None
    return Observed(_well(data), with_notes(told, _without_test_error(body, gone)), error)


def _without_test_error(body: dict[str, Any], gone: bool) -> dict[str, Any]:
    problem = None if gone else word(body, "testError")
    return body | {"notes": [*words(body, "notes"), *([f"Test-ADServiceAccount: {problem}"] if problem else [])]}


def _well(data: dict[str, Any]) -> bool:
    return data["test"] is not False and data["logonRight"] is not False and not data["locked"]


def is_gone(body: Json) -> bool:
    """Looked for in the whole forest and not there, and Windows does not know the name either."""
    return number(body, "found") == 0 and word(body, "sid") is None


def logon_right(body: Json) -> bool | None:
    """Three answers: a right that comes from a group nobody here can look into is neither given nor missing."""
    holders, sid, account = words(body, "logonRights"), word(body, "sid"), word(body, "account")
    if not holders or sid is None:
        return None
    if {sid, account} & set(holders) or EVERYBODY & set(holders):
        return True
    uncertain = [each for each in holders if each in ALL_SERVICES or re.match(r"S-1-5-21-", each) or "\\" in each]
    return None if uncertain else False


def root_key(body: Json) -> dict[str, str | None]:
    """The oldest key; no entry at all where this account is not shown the keys, so that None means there is none."""
    made = [at for each in items(body, "rootKeys") if (at := instant({"at": each}, "at"))]
    if made:
        return {"kdsRootKey": stamp(min(made))}
    return {"kdsRootKey": None} if "rootKeys" in body and flag(body, "mayReadKeys") else {}


def encryption_types(value: Any) -> str | None:
    """`AES128,AES256` from the number that the directory and the policy keep. Nothing set means Windows' own choice."""
    bits = number({"bits": value}, "bits")
    if not bits:
        return None
    return ",".join(dict.fromkeys(name for bit, name in TYPES if bits & bit)) or None


def _trustee(trustee: Json, body: Json) -> str:
    """A server or a group; of a group also that it holds this very server, however deep."""
    name = word(trustee, "name") or "?"
    return f"{name} (holds {word(body, 'server') or 'this server'}$)" if flag(trustee, "holdsThisServer") else name


def _locked(body: Json) -> bool | None:
    since, control = number(body, "lockoutTime"), number(body, "userAccountControl")
    if since is None and control is None:
        return None
    return bool(since) or bool((control or 0) & LOCKED)
