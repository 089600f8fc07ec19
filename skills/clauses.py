"""One clause of an attribute scoping filter against the values of an AD object: it holds, it does not, or who knows."""

import re
from collections.abc import Callable, Mapping

from bot.identifiers import InvalidDn, parse_dn
from skills.facts.ad import AdObject
from skills.facts.schema import Clause

NOT_FILTERABLE = frozenset({
    "usertype", "manager", "approleassignments",
    "whencreated", "whenchanged", "accountexpires", "lastlogon", "lastlogontimestamp", "pwdlastset", "lockouttime",
    "badpasswordtime", "createddatetime", "hiredate", "employeehiredate", "employeeleavedatetime",
    "proxyaddresses", "memberof", "member", "directreports", "othermailbox", "othermails", "othertelephone",
    "othermobile", "url", "usercertificate", "businessphones", "objectclass", "serviceprincipalname",
})  # fmt: skip
"""Attributes on which a filter is always false: references, dates and multi-valued ones (KI)."""

Values = tuple[str, ...]
Test = Callable[[Values, Values], bool | None]


def is_filterable(clause: Clause) -> bool:
    return clause.attribute.lower() not in NOT_FILTERABLE


def values_of(ad: AdObject, name: str) -> Values | None:
    """The values of an attribute as the probe read them; None where it did not read that attribute."""
    wanted = name.lower()
    if wanted in OWN:
        return OWN[wanted](ad)
    for key, value in ad.attributes.items():
        if key.lower() == wanted:
            items = value if isinstance(value, list | tuple) else [value]
            return tuple(str(item) for item in items if item not in (None, ""))
    return None


def _one(value: str | None) -> Values:
    return (value,) if value else ()


OWN: Mapping[str, Callable[[AdObject], Values | None]] = {
    "userprincipalname": lambda ad: _one(ad.upn),
    "samaccountname": lambda ad: _one(ad.sam),
    "displayname": lambda ad: _one(ad.display_name),
    "mail": lambda ad: _one(ad.mail),
    "distinguishedname": lambda ad: _one(ad.dn),
    "cn": lambda ad: _one(_common_name(ad.dn)),
    "proxyaddresses": lambda ad: ad.proxies,
    "memberof": lambda ad: ad.member_of,
    "objectclass": lambda ad: ad.object_class,
    "useraccountcontrol": lambda ad: None if ad.account_control is None else (str(ad.account_control),),
}
"""What every look into the directory brings, so that an absent value means an empty attribute."""


def _common_name(dn: str) -> str | None:
    try:
        return parse_dn(dn).rdns[0].pairs[0][1]
    except InvalidDn:
        return None


def holds(clause: Clause, values: Values | None) -> bool | None:
    """None where the attribute was not read, or where the operator's behaviour is not documented for such values."""
    test = TESTS.get(re.sub(r"[^a-z]", "", clause.operator.lower()))
    return None if test is None or values is None else test(values, clause.values)


def _equals(values: Values, wanted: Values) -> bool | None:
    if set(values) & set(wanted):
        return True
    # The comparison is said to heed case. Two values that differ in nothing else are nobody's proof.
    return None if {value.casefold() for value in values} & {value.casefold() for value in wanted} else False


def _differs(values: Values, wanted: Values) -> bool | None:
    equal = _equals(values, wanted)
    return None if equal is None or not values else not equal


def _includes(values: Values, wanted: Values) -> bool | None:
    return _by_text(values, wanted, lambda value, part: part in value)


def _starts(values: Values, wanted: Values) -> bool | None:
    return _by_text(values, wanted, str.startswith)


def _ends(values: Values, wanted: Values) -> bool | None:
    return _by_text(values, wanted, str.endswith)


def _by_text(values: Values, wanted: Values, compare: Callable[[str, str], bool]) -> bool | None:
    if any(compare(value, part) for value in values for part in wanted):
        return True
    folded = any(compare(value.casefold(), part.casefold()) for value in values for part in wanted)
    return None if folded else False


def _matches(values: Values, patterns: Values) -> bool | None:
    if any(len(value) > 100 for value in values) or not all(_is_quick(pattern) for pattern in patterns):
        return None
    try:
        return any(re.search(pattern, value) for value in values for pattern in patterns)
    except (re.error, OverflowError):
        return None


def _mismatches(values: Values, patterns: Values) -> bool | None:
    match = _matches(values, patterns)
    return None if match is None or not values else not match


def _is_quick(pattern: str) -> bool:
    """Whether a pattern surely ends soon: nothing repeated that holds a group, no back references, few repetitions."""
    slow = re.search(r"\)[*+{]|\\\d", pattern)
    return len(pattern) <= 200 and not slow and len(re.findall(r"(?<!\\)[*+?{]", pattern)) <= 4


def _greater(values: Values, wanted: Values) -> bool | None:
    return _by_number(values, wanted, lambda value, limit: value > limit)


def _at_least(values: Values, wanted: Values) -> bool | None:
    return _by_number(values, wanted, lambda value, limit: value >= limit)


def _by_number(values: Values, wanted: Values, compare: Callable[[float, float], bool]) -> bool | None:
    try:
        return any(compare(float(value), float(limit)) for value in values for limit in wanted)
    except ValueError:
        return None


def _truth(wanted: str) -> Test:
    return lambda values, _: any(value.lower() == wanted for value in values)


TESTS: Mapping[str, Test] = {
    "equals": _equals,
    "notequals": _differs,
    "isnull": lambda values, _: not values,
    "isnotnull": lambda values, _: bool(values),
    "istrue": _truth("true"),
    "isfalse": _truth("false"),
    "regexmatch": _matches,
    "notregexmatch": _mismatches,
    "includes": _includes,
    "contains": _includes,
    "startswith": _starts,
    "endswith": _ends,
    "greaterthan": _greater,
    "greaterthanorequals": _at_least,
}
"""By the operator's letters alone: `NOT EQUALS`, `NotEquals` and `not_equals` are one."""
