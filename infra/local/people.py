"""People of the demo tenant, each once: as Active Directory keeps them and as Entra shows them."""

import base64
import random
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]

SPACE = uuid.UUID("7d1f6a52-9a0e-4c41-8f1b-6a1d5f0c2b90")
INITIAL_DOMAIN = "contoso.onmicrosoft.com"
DISABLED, NORMAL = 514, 512
PLAIN_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "đ": "d", "'": "", " ": "", "-": ""})

GIVEN_NAMES = (
    "Aisha|Anders|Björn|Camille|Chiara|Daniela|Élodie|Emeka|Fatima|Finn|François|Grace|Hiroshi|Ingrid|Ivana|"
    "Jürgen|Kateřina|Leila|Liam|Łukasz|Malik|María|Mehmet|Nadia|Niamh|Olga|Oskar|Priya|Ravi|Søren|Tomás|Uma|"
    "Viktor|Wei|Yuki|Zoë"
)
SURNAMES = (
    "Åkesson|Al-Farsi|Andersson|Bianchi|Brown|Çelik|Chen|Dvořák|D'Angelo|Fernández|García|Groß|Haddad|Ivanova|"
    "Jensen|Kowalska|Kumar|Lefèvre|Lindström|Meyer|Müller|Nakamura|Ng|Novák|O'Brien|O'Neill|Okafor|Patel|"
    "Popescu|Rossi|Schröder|Silva|Söderberg|Tanaka|van den Berg|Weiß|Yılmaz|Zhang"
)
SYNCED_PROPERTIES = (
    "onPremisesSyncEnabled",
    "onPremisesImmutableId",
    "onPremisesLastSyncDateTime",
    "onPremisesDistinguishedName",
    "onPremisesDomainName",
    "onPremisesSamAccountName",
    "onPremisesUserPrincipalName",
    "onPremisesSecurityIdentifier",
    "deletedDateTime",
)
DEPARTMENTS = ("Engineering", "Finance", "IT", "Marketing", "Sales")


@dataclass(frozen=True)
class Domain:
    name: str
    netbios: str

    @property
    def dn(self) -> str:
        return ",".join(f"DC={label}" for label in self.name.split("."))

    @property
    def staff(self) -> str:
        return f"OU=Staff,{self.dn}"

    @property
    def groups(self) -> str:
        return f"OU=Groups,{self.dn}"


CORP = Domain("corp.contoso.com", "CORP")
EMEA = Domain("emea.contoso.com", "EMEA")


def guid(name: str) -> str:
    """The same name always has the same id, so that a demo can be written about."""
    return str(uuid.uuid5(SPACE, name))


def anchor(object_guid: str) -> str:
    return base64.b64encode(uuid.UUID(object_guid).bytes_le).decode()


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Person:
    given: str
    surname: str
    sam: str
    created: datetime
    changed: datetime
    domain: Domain = CORP
    ou: str = "OU=Sales,OU=Staff"
    department: str = "Sales"
    company: str = "Contoso"
    comma: bool = False
    upn_suffix: str = "contoso.com"
    account_control: int = NORMAL
    also_mail: tuple[str, ...] = ()
    entra_id: str = ""
    groups: tuple[str, ...] = field(default=())

    @property
    def display_name(self) -> str:
        return f"{self.surname}, {self.given}" if self.comma else f"{self.given} {self.surname}"

    @property
    def dn(self) -> str:
        name = self.display_name.replace(",", "\\,")
        return f"CN={name},{self.ou},{self.domain.dn}"

    @property
    def upn(self) -> str:
        return f"{self.sam}@{self.upn_suffix}"

    @property
    def mail(self) -> str:
        return f"{self.sam}@contoso.com"

    @property
    def object_guid(self) -> str:
        return guid(f"ad/{self.domain.name}/{self.sam}")

    @property
    def anchor(self) -> str:
        return anchor(self.object_guid)

    @property
    def cloud_id(self) -> str:
        return self.entra_id or guid(f"entra/{self.domain.name}/{self.sam}")

    @property
    def employee_id(self) -> str:
        return f"E{uuid.UUID(self.object_guid).int % 900000 + 100000}"

    @property
    def addresses(self) -> list[str]:
        return [f"SMTP:{self.mail}", *(f"smtp:{address}" for address in self.also_mail)]

    def ad_object(self) -> Row:
        return {
            "distinguishedName": self.dn,
            "objectGUID": self.object_guid,
            "objectClass": "user",
            "sAMAccountName": self.sam,
            "userPrincipalName": self.upn,
            "displayName": self.display_name,
            "mail": self.mail,
            "proxyAddresses": self.addresses,
            "userAccountControl": self.account_control,
            "isCriticalSystemObject": False,
            "mS-DS-ConsistencyGuid": self.anchor,
            "whenCreated": utc(self.created),
            "whenChanged": utc(self.changed),
            "pwdLastSet": utc(self.created + timedelta(minutes=5)),
            "memberOf": [f"CN={name},{self.domain.groups}" for name in self.groups],
            "adminCount": 0,
            "deleted": False,
            "attributes": {
                "givenName": self.given,
                "sn": self.surname,
                "department": self.department,
                "company": self.company,
                "employeeID": self.employee_id,
            },
        }

    def cloud_user(self, synced: datetime) -> Row:
        return {
            "id": self.cloud_id,
            "displayName": self.display_name,
            "givenName": self.given,
            "surname": self.surname,
            "userPrincipalName": self.upn,
            "mail": self.mail,
            "mailNickname": self.sam,
            "proxyAddresses": self.addresses,
            "accountEnabled": self.account_control != DISABLED,
            "userType": "Member",
            "department": self.department,
            "companyName": self.company,
            "employeeId": self.employee_id,
            "createdDateTime": utc(self.created + timedelta(minutes=6)),
            "deletedDateTime": None,
            "onPremisesSyncEnabled": True,
            "onPremisesImmutableId": self.anchor,
            "onPremisesLastSyncDateTime": utc(synced),
            "onPremisesDistinguishedName": self.dn,
            "onPremisesDomainName": self.domain.name,
            "onPremisesSamAccountName": self.sam,
            "onPremisesUserPrincipalName": self.upn,
            "onPremisesSecurityIdentifier": f"S-1-5-21-1004336348-1177238915-682003330-{self.rid}",
            "onPremisesProvisioningErrors": [],
            "serviceProvisioningErrors": [],
        }

    @property
    def rid(self) -> int:
        return 1100 + uuid.UUID(self.object_guid).int % 90000


def cloud_only(name: str, upn: str, created: datetime, entra_id: str = "", **more: Any) -> Row:
    """A user made by hand: no anchor, no sync flag, no last sync."""
    given, _, surname = name.partition(" ")
    user = {
        "id": entra_id or guid(f"entra/cloud-only/{upn}"),
        "displayName": name,
        "givenName": given,
        "surname": surname,
        "userPrincipalName": upn,
        "mail": upn,
        "mailNickname": upn.partition("@")[0],
        "proxyAddresses": [f"SMTP:{upn}"],
        "accountEnabled": True,
        "userType": "Member",
        "createdDateTime": utc(created),
        "onPremisesProvisioningErrors": [],
        "serviceProvisioningErrors": [],
    }
    return user | dict.fromkeys(SYNCED_PROPERTIES) | more


def plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.lower().translate(PLAIN_LETTERS))
    return "".join(letter for letter in folded if letter.isascii() and letter.isalpha())


def crowd(at: datetime, domain: Domain, count: int, taken: set[str]) -> Iterator[Person]:
    """Colleagues nobody asks about; `taken` keeps sAMAccountNames and addresses unique across domains."""
    choose = random.Random(f"{domain.name}/{count}")  # noqa: S311 - the same faces every time, no secret
    for n in range(count):
        given, surname = _new_name(choose, taken)
        department = choose.choice(DEPARTMENTS)
        sam = _free(f"{plain(given)[0]}{plain(surname)}"[:16], taken)
        created = at - timedelta(days=choose.randint(40, 2200), minutes=choose.randint(0, 1439))
        person = Person(given, surname, sam, created, at - timedelta(days=choose.randint(1, 39)), domain)
        yield replace(
            person,
            ou=f"OU={department},OU=Staff",
            department=department,
            comma=n % 7 == 3,
            account_control=DISABLED if n % 41 == 40 else NORMAL,
            groups=("All Staff", department),
        )


def _new_name(choose: random.Random, taken: set[str]) -> tuple[str, str]:
    """Two people of one name in one OU cannot be; who they are stays open until a name is free."""
    while True:
        given, surname = choose.choice(GIVEN_NAMES.split("|")), choose.choice(SURNAMES.split("|"))
        if f"{given} {surname}" not in taken:
            taken.add(f"{given} {surname}")
            return given, surname


def _free(sam: str, taken: set[str]) -> str:
    number = 1
    while (candidate := sam if number == 1 else f"{sam}{number}") in taken:
        number += 1
    taken.add(candidate)
    return candidate
