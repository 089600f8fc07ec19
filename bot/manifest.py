"""The Teams app package: `manifest/` filled from the settings, checked as Teams would check it, and zipped.

The same settings give the same bytes, so that two packages can be compared, and one that was uploaded be found again.
"""

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from string import Template
from typing import Any, Final
from urllib.parse import urlsplit

from bot.loopback import is_loopback
from bot.manifest_rules import beyond_schema, schema_flaws
from bot.settings import PREFIX, Settings

FOLDER: Final = Path(__file__).resolve().parents[1] / "manifest"
"""Beside the packages, in a checkout as well as where a wheel puts it."""
MANIFEST: Final = "manifest.json"
SCHEMA: Final = "schema/MicrosoftTeams.schema.json"
PUBLISHER: Final = "WhySync"
"""Shown as the developer where the organization is not named."""
WHEN: Final = (1980, 1, 1, 0, 0, 0)
READABLE: Final = 0o644 << 16
PATH: Final = "/api/messages"

_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_VERSION = re.compile(r"(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}", re.ASCII)

Json = dict[str, Any]


class RefusedPackage(Exception):  # noqa: N818  # it is a refusal, and said as one
    """No package is built. `lines`: one for each thing that misses or is wrong."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = list(lines)


@dataclass(frozen=True)
class Package:
    manifest: Json
    endpoint: str
    content: bytes
    """The zip."""

    def told(self, path: Path) -> str:
        """What was made, and what to do with it."""
        it = self.manifest
        return (
            f"{path}: {it['name']['short']} {it['version']} of {it['developer']['name']}, for the bot {it['id']}\n"
            f"The Azure Bot's messaging endpoint has to be {self.endpoint}\n"
            "Next: https://admin.teams.microsoft.com > Teams apps > Manage apps > Upload new app, then this file.\n"
            "WhySync is there already? Open it there and upload this as an update; its version has to be higher than"
            " that one's (--app-version).\n"
            "Who gets it, and how it is pinned: docs/teams-app.md\n"
        )


def package_of(settings: Settings, version: str | None = None, folder: Path = FOLDER) -> Package:
    """Raises RefusedPackage."""
    version = version or own_version()
    _refuse([*_setting_problems(settings), *_version_problems(version)])
    values = _values(settings, version)
    manifest = _filled(_parsed(folder / MANIFEST), values)
    _refuse(schema_flaws(manifest, _parsed(folder / SCHEMA)), folder)
    icons = {name: _read(folder / name) for name in manifest["icons"].values()}
    _refuse([*beyond_schema(manifest, icons)], folder)
    files = {MANIFEST: _text(manifest).encode(), **icons}
    return Package(manifest, values["public_url"] + PATH, _zipped(files))


def own_version() -> str:
    """WhySync's own. Raises RefusedPackage."""
    try:
        return installed_version("whysync")
    except PackageNotFoundError:
        raise RefusedPackage(["--app-version: WhySync is not installed, so its version has to be given"]) from None


def write(package: Package, path: Path) -> None:
    """All of it or nothing: what is there already is kept until then. Raises RefusedPackage."""
    half: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            half = Path(file.name)
            file.write(package.content)
        half.chmod(0o644)
        half.replace(path)
    except OSError as error:
        if half is not None:
            with suppress(OSError):
                half.unlink(missing_ok=True)
        raise RefusedPackage([f"{path}: {error.strerror or error}"]) from error


def _refuse(flaws: Sequence[str], folder: Path | None = None) -> None:
    if flaws:
        raise RefusedPackage([f"{folder / MANIFEST}: {each}" if folder else each for each in flaws])


def _setting_problems(settings: Settings) -> Iterator[str]:
    if settings.app_id is None:
        yield f"{PREFIX}APP_ID: missing; it is the application id of the Azure Bot"
    elif not _GUID.fullmatch(settings.app_id):
        yield f"{PREFIX}APP_ID: must be a GUID, as the Azure Bot shows it under Configuration, and is {settings.app_id}"
    if settings.public_url is None:
        yield f"{PREFIX}PUBLIC_URL: missing; it is the https address under which Teams reaches the bot"
    elif flaw := _flaw_of(settings.public_url):
        yield f"{PREFIX}PUBLIC_URL: {flaw}"


def _flaw_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme != "https" or not host:
        return "must be https"
    if is_loopback(host):
        return "is this machine, where neither Teams nor its people come"
    return "must be an address alone, without user, ? or #" if re.search(r"[@?#\s]", url) else None


def _version_problems(version: str) -> Iterator[str]:
    if not _VERSION.fullmatch(version):
        yield f"--app-version: Teams wants three numbers, such as 1.2.0, not {version}"


def _values(settings: Settings, version: str) -> Mapping[str, str]:
    return {
        "version": version,
        "app_id": (settings.app_id or "").lower(),
        "public_url": (settings.public_url or "").rstrip("/"),
        "organization": settings.organization or PUBLISHER,
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RefusedPackage([f"{path}: {error.strerror or error}"]) from error


def _parsed(path: Path) -> Json:
    try:
        document: Json = json.loads(_read(path))
    except ValueError as error:
        raise RefusedPackage([f"{path}: is not JSON: {error}"]) from None
    return document


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """In the texts of what was parsed, so that no value can become anything but text. Raises RefusedPackage."""
    if isinstance(value, dict):
        return {key: _filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    try:
        return Template(value).substitute(values) if isinstance(value, str) else value
    except (KeyError, ValueError) as error:
        raise RefusedPackage([f"{MANIFEST}: no such placeholder: {error}"]) from None


def _text(manifest: Json) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """Without times, owners or compression, which differ from machine to machine."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, WHEN)  # stored as it is, unless told otherwise
            info.create_system, info.external_attr = 3, READABLE
            archive.writestr(info, files[name])
    return out.getvalue()
