"""Whether a value may stand in the cloud directory: the shapes of user principal names and mail addresses."""

import re

LOCAL_PART = re.compile(r"[A-Za-z0-9'.\-_!#^~]+")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}")
_TYPED = re.compile(r"([A-Za-z][A-Za-z0-9]*):(.*)", re.DOTALL)


def upn_fault(upn: str) -> str | None:
    """What the cloud would not take of a user principal name; None where it is fine."""
    local, at, suffix = upn.rpartition("@")
    if not at or not local or "@" in local:
        return "it is not of the form name@domain"
    if not suffix or " " in suffix or suffix.startswith(".") or suffix.endswith("."):
        return "its domain is not a domain name"
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "a dot stands first, last or twice in a row"
    bad = "".join(dict.fromkeys(char for char in local if not LOCAL_PART.fullmatch(char)))
    return f"it contains {bad!r}" if bad else ("the name before the @ is too long" if len(local) > 64 else None)


def proxy_fault(value: str) -> str | None:
    """What is malformed about one proxy address; other kinds than mail are not looked into."""
    typed = _TYPED.fullmatch(value)
    if not typed:
        return "it has no smtp: in front"
    if typed[1].lower() != "smtp":
        return None
    address = typed[2]
    if any(char.isspace() for char in address):
        return "it contains a space"
    return None if _ADDRESS.fullmatch(address) else "it is not a mail address"


def suffix_of(address: str) -> str:
    """The domain of a UPN or a mail address, with or without its `smtp:`."""
    return address.rpartition("@")[2].strip().lower()
