"""What differs between an AD object and the account that came from it: the test of whether somebody is in sync."""

from collections.abc import Mapping
from dataclasses import dataclass

from skills.clauses import values_of
from skills.facts.ad import AdObject
from skills.facts.directory import CloudUser

PAIRS: Mapping[str, tuple[str, frozenset[str]]] = {
    "displayName": ("displayName", frozenset({"displayname"})),
    "givenName": ("givenName", frozenset({"givenname"})),
    "surname": ("sn", frozenset({"surname", "sn"})),
    "mail": ("mail", frozenset({"mail"})),
    "department": ("department", frozenset({"department"})),
    "jobTitle": ("title", frozenset({"jobtitle", "title"})),
    "mobilePhone": ("mobile", frozenset({"mobile", "mobilephone"})),
    "officeLocation": ("physicalDeliveryOfficeName", frozenset({"physicaldeliveryofficename", "officelocation"})),
    "companyName": ("company", frozenset({"companyname", "company"})),
    "employeeId": ("employeeID", frozenset({"employeeid"})),
}
"""By Graph property: the AD attribute, and the target names that a mapping may use, lower case."""


@dataclass(frozen=True, slots=True)
class Difference:
    property: str
    """As Graph names it."""
    attribute: str
    """As AD names it."""
    ad: str | None
    cloud: str | None


def differences(ad: AdObject, cloud: CloudUser) -> tuple[Difference, ...]:
    """Where both sides were read and do not agree. The UPN's suffix is left out: the cloud may replace it."""
    found = [_plain(name, attribute, ad, cloud) for name, (attribute, _) in PAIRS.items()]
    return tuple(each for each in (_upn(ad, cloud), _enabled(ad, cloud), *found) if each)


def conflicts(ad: AdObject, cloud: CloudUser) -> tuple[Difference, ...]:
    """Differences with a value on both sides: those that a sync of today would have removed."""
    return tuple(each for each in differences(ad, cloud) if each.ad and each.cloud)


def _plain(name: str, attribute: str, ad: AdObject, cloud: CloudUser) -> Difference | None:
    values = values_of(ad, attribute)
    if values is None or name not in cloud.values:
        return None
    ours, theirs = (values[0] if values else None), cloud.values[name]
    return None if _folded(ours) == _folded(theirs) else Difference(name, attribute, ours, theirs)


def _folded(value: str | None) -> str:
    return " ".join((value or "").split())


def _upn(ad: AdObject, cloud: CloudUser) -> Difference | None:
    if not ad.upn or not cloud.upn:
        return None
    same = local_part(ad.upn) == local_part(cloud.upn)
    return None if same else Difference("userPrincipalName", "userPrincipalName", ad.upn, cloud.upn)


def _enabled(ad: AdObject, cloud: CloudUser) -> Difference | None:
    if ad.account_control is None or cloud.enabled is None or ad.disabled is not cloud.enabled:
        return None
    return Difference("accountEnabled", "userAccountControl", str(not ad.disabled), str(cloud.enabled))


def local_part(address: str) -> str:
    return address.partition("@")[0].lower()
