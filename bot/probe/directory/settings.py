"""The table `[directory]` of the policy file: how the probe reaches Active Directory, and what it may read there."""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bot.identifiers import InvalidDn, parse_dn
from bot.probe.section import Section

DEFAULT_GMSA: Final = "provAgentgMSA$"
"""The account that the provisioning agent's installer makes."""
MOST_CONTROLLERS: Final = 8
ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
ACCOUNT: Final = re.compile(r"[^\W][\w .-]{0,62}\$?")
HOST: Final = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
NEVER: Final = re.compile(
    r"ms-?mcs-.*|mslaps.*|msfve.*|ms-?ts-?tpm.*|mstpm.*|msds-managedpassword.*|msds-keycredentiallink|msds-revealed.*|msds-groupmsamembership"
    r"|unicodepwd|dbcspwd|ntpwdhistory|lmpwdhistory|supplementalcredentials|userpassword|unixuserpassword|initialauth.*"
    r"|trustauth.*|currentvalue|priorvalue|ntsecuritydescriptor|mspki(dpapi|account).*|mssfu30password|unixpassword",
    re.IGNORECASE,
)
"""Secrets. They are not read even where the policy file lists them."""
DEFAULT_ATTRIBUTES: Final = (
    *("accountExpires", "c", "cn", "co", "company", "countryCode", "department", "description", "employeeID"),
    *("employeeNumber", "employeeType", "facsimileTelephoneNumber", "givenName", "groupType", "info", "initials"),
    *("ipPhone", "l", "lastKnownParent", "lockoutTime", "mailNickname", "managedBy", "manager", "member", "mobile"),
    *("msDS-LastKnownRDN", "msDS-preferredDataLocation", "msExchHideFromAddressLists", "msExchMasterAccountSid"),
    *("msExchRecipientDisplayType", "msExchRecipientTypeDetails", "msExchUsageLocation", "objectSid", "pager"),
    *("physicalDeliveryOfficeName", "postalCode", "preferredLanguage", "primaryGroupID", "sAMAccountType"),
    *("servicePrincipalName", "sn", "st", "street", "streetAddress", "targetAddress", "telephoneNumber", "title"),
    *("wWWHomePage", "msDS-ExternalDirectoryObjectId"),
    *(f"extensionAttribute{n}" for n in range(1, 16)),
    *(f"msDS-cloudExtensionAttribute{n}" for n in range(1, 21)),
)
"""What the rules and the scoping filters of a configuration ask for."""


class Security(StrEnum):
    LDAPS = "ldaps"
    STARTTLS = "starttls"
    NONE = "none"
    """Only to this machine itself."""


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    domain: str | None = None
    """The DNS name; None: the probe knows no domain, and its directory checks cannot be run."""
    controllers: tuple[str, ...] = ()
    """Host names, in the order in which they are asked; empty: those that DNS names."""
    security: Security = Security.LDAPS
    ca: Path | None = None
    """Certificates to trust in place of the system's."""
    user: str | None = None
    """None: the identity of the process, by Kerberos."""
    password: Path | None = None
    gmsa: str = DEFAULT_GMSA
    control: str | None = None
    containers: tuple[str, ...] = ()
    attributes: tuple[str, ...] = DEFAULT_ATTRIBUTES


def parse_directory(section: Section, domain: str | None) -> DirectorySettings:
    """Mistakes are added to the section's."""
    section.knows(
        "controllers", "security", "ca", "user", "password_file", "gmsa", "control", "containers", "attributes"
    )
    user, password = section.text("user"), section.file("password_file")
    if (user is None) != (section.body.get("password_file") is None):
        section.refuse("user", "goes with password_file; without both the probe's own account is used")
    settings = DirectorySettings(
        domain=domain,
        controllers=tuple(_host(each, section) for each in section.texts("controllers")[:MOST_CONTROLLERS]),
        security=_security(section),
        ca=_certificates(section),
        user=user,
        password=password,
        gmsa=_account(section),
        control=_dn(section.text("control"), "control", section),
        containers=tuple(filter(None, (_dn(each, "containers", section) for each in section.texts("containers")))),
        attributes=_attributes(section),
    )
    if domain is None and section.body:
        section.refuse("controllers", 'needs to know the domain: domain = "corp.contoso.com" at the top of the file')
    return settings


def _host(text: str, section: Section) -> str:
    name = text.strip().rstrip(".").lower()
    if not HOST.fullmatch(name):
        section.refuse("controllers", f"{text!r} is not a host name (an address has no certificate)")
    return name


def _security(section: Section) -> Security:
    try:
        return Security((section.text("security") or Security.LDAPS).lower())
    except ValueError:
        section.refuse("security", f"must be one of {', '.join(Security)}")
        return Security.LDAPS


def _certificates(section: Section) -> Path | None:
    text = section.text("ca")
    if text is None:
        return None
    if not Path(text).is_file():
        section.refuse("ca", f"{text} is no file")
    return Path(text)


def _account(section: Section) -> str:
    """`CORP\\provAgentgMSA$` and `provAgentgMSA$` are the same account of the same domain."""
    name = (section.text("gmsa") or DEFAULT_GMSA).rpartition("\\")[2]
    if not ACCOUNT.fullmatch(name):
        section.refuse("gmsa", f"{name!r} is not the name of an account")
    return name


def _dn(text: str | None, key: str, section: Section) -> str | None:
    if text is None:
        return None
    try:
        return str(parse_dn(text))
    except InvalidDn as error:
        section.refuse(key, str(error))
        return None


def _attributes(section: Section) -> tuple[str, ...]:
    if "attributes" not in section.body:
        return DEFAULT_ATTRIBUTES
    names = tuple(dict.fromkeys(section.texts("attributes")))
    for name in names:
        if not ATTRIBUTE.fullmatch(name):
            section.refuse("attributes", f"{name!r} is not the name of an attribute")
        elif is_secret(name):
            section.refuse("attributes", f"{name} holds a secret and is never read")
    return names


def is_secret(name: str) -> bool:
    return NEVER.fullmatch(name) is not None


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
