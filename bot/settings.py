"""The environment, read once and checked before anything starts (contract section 2)."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.loopback import is_loopback

PREFIX = "WHYSYNC_"
LOCAL_ONLY = ("graph_url", "graph_token", "openid_url", "connector_token")
"""Only with LOCAL=1: each would send secrets, or take orders, somewhere else than Microsoft."""
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


class RefusedSettings(Exception):  # noqa: N818  # it is a refusal, and said as one
    """The program does not start. `lines`: one for each thing that is wrong."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def _words(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Settings(BaseModel):
    """`from_environment` makes one; a field's name, in capitals behind `WHYSYNC_`, is its variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_id: str | None = None
    app_tenant_id: str | None = None
    app_credential: str = "managed_identity"
    tenants: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    policy: Path | None = None
    store: str = "sqlite:///whysync.sqlite3"
    servicebus: str | None = None
    public_url: str | None = None
    organization: str | None = Field(None, max_length=32, pattern=r"^[^\x00-\x1f\x7f]+$")
    support_url: str | None = None
    signing_key: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(3978, ge=0, le=65535)
    proxies: int = Field(0, ge=0, le=8)
    metrics_port: int | None = Field(None, ge=0, le=65535)
    applicationinsights: str | None = None
    read_only: bool = False
    """Whatever the policy file says: nothing is asked for, approved or run."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    local: bool = False
    graph_url: str = "https://graph.microsoft.com"
    graph_token: str | None = None
    openid_url: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    connector_token: str | None = None

    @property
    def unsigned_ok(self) -> bool:
        """Whether unsigned activities are taken: on this machine alone, and only when no key server was named."""
        return self.local and "openid_url" not in self.model_fields_set

    @property
    def own_tenant(self) -> str:
        """The one whose directory and configurations are looked at."""
        return (self.app_tenant_id or next(iter(sorted(self.allowed_tenants)), "")).lower()

    @property
    def allowed_tenants(self) -> frozenset[str]:
        own = (self.app_tenant_id,) if self.app_tenant_id else ()
        return frozenset(tenant.lower() for tenant in self.tenants or own)


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """For tools that read the tenant and open no door: `ask`, `doctor`. Raises RefusedSettings."""
    everything = os.environ if environment is None else environment
    given = {name: value for name, value in everything.items() if name.upper().startswith(PREFIX)}
    lines = [f"{name}: there is no such setting" for name in given if name[len(PREFIX) :].lower() not in _KNOWN]
    lines += [
        f"{name}: it ends with white space or a line break" for name, value in given.items() if value != value.strip()
    ]
    values = {name[len(PREFIX) :].lower(): value.strip() for name, value in given.items() if value.strip()}
    try:
        settings = Settings.model_validate({name: value for name, value in values.items() if name in _KNOWN})
    except ValidationError as error:
        lines += [f"{_variable(each['loc'])}: {each['msg']}" for each in error.errors()]
        raise RefusedSettings(sorted(lines)) from None
    lines += _local_problems(settings) + _form_problems(settings)
    if lines:
        raise RefusedSettings(sorted(lines))
    return settings


_KNOWN = frozenset(Settings.model_fields)


def for_serving(settings: Settings) -> Settings:
    """The further conditions under which the door may be opened. Raises RefusedSettings."""
    problems = []
    if settings.app_id is None and not settings.local:
        problems.append("WHYSYNC_APP_ID: missing; without it only WHYSYNC_LOCAL=1 on loopback may serve")
    if settings.app_id and not settings.allowed_tenants:
        problems.append("WHYSYNC_APP_TENANT_ID: missing; nobody would be let in")
    if settings.local and not is_loopback(settings.host):
        problems.append(f"WHYSYNC_HOST: WHYSYNC_LOCAL=1 listens on loopback alone, not on {settings.host}")
    if settings.policy is None:
        problems.append("WHYSYNC_POLICY: missing; without a policy nobody may ask anything")
    if problems:
        raise RefusedSettings(problems)
    return settings


def _local_problems(settings: Settings) -> list[str]:
    if not settings.local:
        given = [name for name in LOCAL_ONLY if name in settings.model_fields_set]
        return [f"{PREFIX}{name.upper()}: only allowed with WHYSYNC_LOCAL=1" for name in given]
    urls = {"graph_url": settings.graph_url}
    if "openid_url" in settings.model_fields_set:
        urls["openid_url"] = settings.openid_url
    return [
        f"{PREFIX}{name.upper()}: WHYSYNC_LOCAL=1 needs a loopback address, not {url}"
        for name, url in urls.items()
        if not is_loopback(_host(url))
    ]


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _form_problems(settings: Settings) -> list[str]:
    problems = []
    if any(tenant == "*" for tenant in settings.tenants):
        problems.append("WHYSYNC_TENANTS: name the tenants; * is not accepted")
    public = settings.public_url
    if public and not (public.startswith("https://") or (settings.local and is_loopback(_host(public)))):
        problems.append("WHYSYNC_PUBLIC_URL: must be https")
    if settings.support_url and not (settings.support_url.startswith("https://") and _host(settings.support_url)):
        problems.append("WHYSYNC_SUPPORT_URL: must be https")
    problems += _insights_problems(settings)
    kind, _, detail = settings.app_credential.partition(":")
    if kind not in ("managed_identity", "certificate", "secret") or (kind != "managed_identity" and not detail):
        problems.append("WHYSYNC_APP_CREDENTIAL: managed_identity[:client-id], certificate:PATH or secret:FILE")
    elif kind in ("certificate", "secret"):
        problems += _file_problems("WHYSYNC_APP_CREDENTIAL", Path(detail))
    if settings.signing_key and not settings.signing_key.startswith("https://"):
        problems += _file_problems("WHYSYNC_SIGNING_KEY", Path(settings.signing_key))
    return problems


def _insights_problems(settings: Settings) -> list[str]:
    """Everything that is told goes there, so it is named in full."""
    given = (part.partition("=") for part in (settings.applicationinsights or "").split(";"))
    parts = {name.strip().lower(): value.strip() for name, _, value in given}
    endpoint = parts.get("ingestionendpoint", "")
    if settings.applicationinsights is None:
        return []
    if not _UUID.fullmatch(parts.get("instrumentationkey", "")) or not _host(endpoint):
        return ["WHYSYNC_APPLICATIONINSIGHTS: a connection string with InstrumentationKey= and IngestionEndpoint="]
    if settings.local:
        return (
            []
            if is_loopback(_host(endpoint))
            else ["WHYSYNC_APPLICATIONINSIGHTS: WHYSYNC_LOCAL=1 needs a loopback IngestionEndpoint"]
        )
    return [] if endpoint.startswith("https://") else ["WHYSYNC_APPLICATIONINSIGHTS: IngestionEndpoint must be https"]


def _file_problems(name: str, path: Path) -> list[str]:
    if not path.is_file():
        return [f"{name}: there is no file {path}"]
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return [f"{name}: {path} can be read by others; chmod 600 it"]
    return []


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + str(location[0]).upper() if location else PREFIX
