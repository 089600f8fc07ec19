"""Errors of the directory, in words of our own: no exception of the LDAP library leaves this package.

DirectoryError
├── Unreached       no connection to a controller came up
├── SignInRefused   the controller does not accept the account, or the way it comes
├── SearchFailed    the search ended in an error
└── Refused         what was asked for is not looked for: it does not parse, or lies outside
"""

import re
from collections.abc import Mapping
from typing import Any, Final


class DirectoryError(Exception):
    """Words that a person can read."""


class Unreached(DirectoryError):  # noqa: N818  # outcomes, named as such
    """No connection."""


class SignInRefused(DirectoryError):  # noqa: N818
    """Connected, and not let in."""


class SearchFailed(DirectoryError):  # noqa: N818
    """Let in, and not answered."""


class Refused(DirectoryError):  # noqa: N818
    """Not asked at all."""


_BIND_DATA: Final = re.compile(r"data ([0-9a-f]{3,8})")
_BIND_MEANS: Final = {
    "525": "there is no such account",
    "52e": "the user name or the password is wrong",
    "51f": "the controller could not ask another one about the account",
    "530": "the account may not sign in at this time",
    "531": "the account may not sign in at this machine",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked",
    "80090346": "the controller demands channel binding",
}
_CODES: Final = {
    1: "the controller reports an internal error",
    3: "the search took longer than it may",
    8: "the controller demands signing or TLS",
    10: "that lies in another domain; referrals are not followed",
    11: "the search touched more objects than the controller allows",
    12: "the controller does not know a control that is needed",
    34: "the controller does not accept this distinguished name",
    49: "the sign-in was refused",
    50: "access denied",
    51: "the controller is busy",
    52: "the controller is not available",
    53: "the controller does not want to do that",
}


def refused_sign_in(result: Mapping[str, Any]) -> SignInRefused:
    found = _BIND_DATA.search(str(result.get("message") or ""))
    if found and found[1] in _BIND_MEANS:
        return SignInRefused(f"sign-in refused: {_BIND_MEANS[found[1]]}")
    return SignInRefused(f"sign-in refused: {said(result)}")


def failed_search(result: Mapping[str, Any]) -> SearchFailed:
    return SearchFailed(said(result))


def said(result: Mapping[str, Any]) -> str:
    code = result.get("result")
    return _CODES.get(code if isinstance(code, int) else -1, f"LDAP error {code}")
