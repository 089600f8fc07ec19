"""The only place where OData text is made: what people or directories say goes in as a value, never as syntax."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from bot.evidence import SourceError

LONGEST = 1024  # a proxy address is the longest value that anyone has reason to look for
MOST_VALUES = 15  # Graph refuses a longer list


class BadLiteral(SourceError):  # noqa: N818  # it reads like the answers of bot.graph: Forbidden, NotFound
    """A text that no directory object can have, or that must not become part of a request."""


class Property(StrEnum):
    """Every property that we filter or sort on, as Graph spells it."""

    # users, groups, contacts
    ID = "id"
    USER_PRINCIPAL_NAME = "userPrincipalName"
    MAIL = "mail"
    MAIL_NICKNAME = "mailNickname"
    DISPLAY_NAME = "displayName"
    GIVEN_NAME = "givenName"
    SURNAME = "surname"
    EMPLOYEE_ID = "employeeId"
    PROXY_ADDRESSES = "proxyAddresses"
    OTHER_MAILS = "otherMails"
    ACCOUNT_ENABLED = "accountEnabled"
    CREATED_DATE_TIME = "createdDateTime"
    DELETED_DATE_TIME = "deletedDateTime"
    ON_PREMISES_SAM_ACCOUNT_NAME = "onPremisesSamAccountName"
    ON_PREMISES_IMMUTABLE_ID = "onPremisesImmutableId"
    ON_PREMISES_USER_PRINCIPAL_NAME = "onPremisesUserPrincipalName"
    ON_PREMISES_SECURITY_IDENTIFIER = "onPremisesSecurityIdentifier"
    ON_PREMISES_SYNC_ENABLED = "onPremisesSyncEnabled"
    ON_PREMISES_LAST_SYNC_DATE_TIME = "onPremisesLastSyncDateTime"
    # service principals, role assignments
    APP_ID = "appId"
    APPLICATION_TEMPLATE_ID = "applicationTemplateId"
    PRINCIPAL_ID = "principalId"
    # provisioning log
    ACTIVITY_DATE_TIME = "activityDateTime"
    JOB_ID = "jobId"
    CYCLE_ID = "cycleId"
    CHANGE_ID = "changeId"
    PROVISIONING_ACTION = "provisioningAction"
    SOURCE_IDENTITY_ID = "sourceIdentity/id"
    SOURCE_IDENTITY_DISPLAY_NAME = "sourceIdentity/displayName"
    TARGET_IDENTITY_ID = "targetIdentity/id"
    TARGET_IDENTITY_DISPLAY_NAME = "targetIdentity/displayName"
    SERVICE_PRINCIPAL_ID = "servicePrincipal/id"
    # directory audit and sign-in logs
    ACTIVITY_DISPLAY_NAME = "activityDisplayName"
    CATEGORY = "category"
    LOGGED_BY_SERVICE = "loggedByService"
    CORRELATION_ID = "correlationId"
    USER_ID = "userId"
    INITIATED_BY_APP_ID = "initiatedBy/app/appId"
    TARGET_RESOURCES_ID = "targetResources/id"
    TARGET_RESOURCES_DISPLAY_NAME = "targetResources/displayName"


_COLLECTIONS = {
    Property.PROXY_ADDRESSES,
    Property.OTHER_MAILS,
    Property.TARGET_RESOURCES_ID,
    Property.TARGET_RESOURCES_DISPLAY_NAME,
}
_PRINCIPAL_NAME = re.compile(r"[\w!#$&'*+\-/=?^`{|}~.]+@[\w.-]+")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KEY = object()


@dataclass(frozen=True, slots=True)
class Filter:
    """A `$filter`. Made by the functions of this file and by nothing else."""

    text: str
    key: InitVar[object] = None

    def __post_init__(self, key: object) -> None:
        _only_from_here(key)


@dataclass(frozen=True, slots=True)
class Search:
    """A `$search`, made by `search_for`."""

    text: str
    key: InitVar[object] = None

    def __post_init__(self, key: object) -> None:
        _only_from_here(key)


def _only_from_here(key: object) -> None:
    if key is not _KEY:
        raise TypeError("filters and searches are made by the functions of bot.odata, never from text")


def eq(prop: Property, value: str | bool | int) -> Filter:
    if prop is Property.USER_PRINCIPAL_NAME and not _PRINCIPAL_NAME.fullmatch(str(value)):
        raise BadLiteral("That does not have the form of a user principal name (name@domain).")
    return _filter(f"{_single(prop)} eq {_literal(value)}")


def starts_with(prop: Property, value: str) -> Filter:
    return _filter(f"startsWith({_single(prop)},{_literal(value)})")


def ends_with(prop: Property, value: str) -> Filter:
    """Only the advanced index can answer this."""
    return _filter(f"endsWith({_single(prop)},{_literal(value)})")


def contains_lower(prop: Property, value: str) -> Filter:
    """Contains, whatever the case: the provisioning log compares case-sensitively otherwise."""
    return _filter(f"contains(tolower({_single(prop)}),{_literal(value.lower())})")


def is_in(prop: Property, values: Iterable[str]) -> Filter:
    literals = [_literal(value) for value in values]
    if not 1 <= len(literals) <= MOST_VALUES:
        raise BadLiteral(f"Microsoft Graph can be asked for 1 to {MOST_VALUES} values at once, not {len(literals)}.")
    return _filter(f"{_single(prop)} in ({','.join(literals)})")


def any_eq(prop: Property, value: str) -> Filter:
    """At least one item of a collection is equal to the value."""
    collection, item = _collection(prop)
    return _filter(f"{collection}/any(x:{item} eq {_literal(value)})")


def any_starts_with(prop: Property, value: str) -> Filter:
    collection, item = _collection(prop)
    return _filter(f"{collection}/any(x:startsWith({item},{_literal(value)}))")


def since(prop: Property, moment: datetime) -> Filter:
    """At that moment or later."""
    return _filter(f"{_single(prop)} ge {_instant(moment)}")


def before(prop: Property, moment: datetime) -> Filter:
    return _filter(f"{_single(prop)} lt {_instant(moment)}")


def all_of(*filters: Filter) -> Filter:
    return _joined(" and ", filters)


def any_of(*filters: Filter) -> Filter:
    return _joined(" or ", filters)


def search_for(prop: Property, words: str) -> Search:
    """Free text; Graph splits it into words itself. Its quotes have no escape that all endpoints understand."""
    _presentable(words)
    if '"' in words or "\\" in words:
        raise BadLiteral("Microsoft Graph cannot be searched for a text with quotation marks or backslashes.")
    return Search(f'"{_single(prop)}:{words}"', _KEY)


def guid(text: str) -> str:
    """A GUID as a person may have typed it, in the one form that Graph prints."""
    bare = text.strip().removeprefix("{").removesuffix("}")
    if not _GUID.fullmatch(bare):
        raise BadLiteral("That is not an object id (a GUID).")
    return str(UUID(bare))


def segment(text: str) -> str:
    """An id that may become one segment of a path. The rest of the escaping is the URL template's."""
    _presentable(text)
    if text in (".", "..") or "/" in text or "\\" in text:
        raise BadLiteral("That is not an id that Microsoft Graph could have given out.")
    return text


def _filter(text: str) -> Filter:
    return Filter(text, _KEY)


def _joined(word: str, filters: tuple[Filter, ...]) -> Filter:
    if not filters:
        raise ValueError("a filter without conditions would let everything through")
    text = word.join(each.text for each in filters)
    return filters[0] if len(filters) == 1 else _filter(f"({text})")


def _single(prop: Property) -> str:
    if prop in _COLLECTIONS:
        raise ValueError(f"{prop} is a collection: ask with any_eq")
    return Property(prop).value


def _collection(prop: Property) -> tuple[str, str]:
    if prop not in _COLLECTIONS:
        raise ValueError(f"{prop} is not a collection: ask with eq")
    collection, _, inner = prop.partition("/")
    return collection, f"x/{inner}" if inner else "x"


def _literal(value: str | bool | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    _presentable(value)
    return "'" + value.replace("'", "''") + "'"


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone is no moment")
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _presentable(text: str) -> None:
    if not text or len(text) > LONGEST:
        raise BadLiteral(f"Microsoft Graph can be asked for 1 to {LONGEST} characters, not {len(text)}.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise BadLiteral("The text holds control characters, which no name in a directory can have.")


_SELECT = re.compile(r"[A-Za-z0-9_.]+")
_EXPAND = re.compile(r"[A-Za-z0-9_.]+(\(\$select=[A-Za-z0-9_.,]+\))?")


@dataclass(frozen=True, slots=True)
class Query:
    """The options of one request. `advanced` asks the slower index that some filters need (and that lags behind)."""

    filter: Filter | None = None
    select: tuple[str, ...] = ()
    orderby: tuple[Property, Literal["asc", "desc"]] | Property | None = None
    top: int | None = None
    expand: str | None = None
    search: Search | None = None
    advanced: bool = False

    def __post_init__(self) -> None:
        if not all(_SELECT.fullmatch(name) for name in self.select):
            raise ValueError("select takes names of properties")
        if self.expand and not _EXPAND.fullmatch(self.expand):
            raise ValueError("expand takes the name of a relation")
        if self.top is not None and not 1 <= self.top <= 999:
            raise ValueError("top takes 1 to 999")

    def options(self) -> dict[str, str]:
        """Each option with its text, not yet percent-encoded."""
        given = {
            "filter": self.filter.text if self.filter else "",
            "select": ",".join(self.select),
            "orderby": self._order(),
            "top": str(self.top or ""),
            "expand": self.expand or "",
            "search": self.search.text if self.search else "",
            "count": "true" if self.advanced else "",
        }
        return {name: text for name, text in given.items() if text}

    def headers(self) -> dict[str, str]:
        return {"ConsistencyLevel": "eventual"} if self.advanced or self.search else {}

    def _order(self) -> str:
        if isinstance(self.orderby, tuple):
            return f"{_single(self.orderby[0])} {self.orderby[1]}"
        return _single(self.orderby) if self.orderby else ""
