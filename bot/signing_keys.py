"""The Connector's published signing keys, kept fresh in the background so that no request fetches them."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from bot.clock import Clock
from bot.loopback import is_loopback

log = logging.getLogger("whysync.signing_keys")

LARGEST = 1 << 20
SMALLEST_KEY_BITS = 2048


class KeysUnreadable(Exception):  # noqa: N818 - reads as what it says
    """The key set could not be had this time; the last good one stays."""


@dataclass(frozen=True)
class SigningKey:
    key: RSAKey
    endorsements: frozenset[str]


class KeySet:
    """Fetches on opening, daily, and when an unknown key id is seen (at most once in `pause` seconds)."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        metadata_url: str,
        clock: Clock,
        *,
        refresh_every: float = 86_400.0,
        pause: float = 30.0,
        retry_every: float = 5.0,
        patience: float = 2.0,
    ) -> None:
        self._session, self._url, self._clock = session, metadata_url, clock
        self._refresh_every, self._retry_every = refresh_every, retry_every
        self._pause, self._patience = pause, patience
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._wake = asyncio.Event()
        self._round: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_fresh(), name="signing-keys")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def age(self) -> float | None:
        """Seconds since the last good fetch; None when there was none yet."""
        return None if self._fetched is None else self._clock.monotonic() - self._fetched

    async def find(self, kid: str) -> SigningKey | None:
        if kid not in self._keys:
            await self._hurry()
        return self._keys.get(kid)

    async def _hurry(self) -> None:
        """Asks for a fetch, unless one was tried just now, and waits for it a short while."""
        if self._round is None:
            if self._tried is not None and self._clock.monotonic() - self._tried < self._pause:
                return
            self._round = asyncio.get_running_loop().create_future()
            self._wake.set()
        await asyncio.wait({self._round}, timeout=self._patience)

    async def _keep_fresh(self) -> None:
        while True:
            self._tried = self._clock.monotonic()
            self._round = self._round or asyncio.get_running_loop().create_future()
            good = False
            try:
                self._keys = await self._fetch()
                self._fetched, good = self._clock.monotonic(), True
            except KeysUnreadable as error:
                log.warning("signing keys not refreshed: %s", error)
            finally:
                self._round.set_result(None)
                self._round = None
            self._wake.clear()
            # Real time on purpose: a virtual clock would turn this loop round for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._refresh_every if good else self._retry_every):
                    await self._wake.wait()

    async def _fetch(self) -> Mapping[str, SigningKey]:
        metadata = await self._get(self._url)
        jwks_uri = metadata.get("jwks_uri")
        if not isinstance(jwks_uri, str) or not self._trusted(jwks_uri):
            raise KeysUnreadable("bad-jwks-uri")
        keys = _signing_keys(await self._get(jwks_uri))
        if not keys:
            raise KeysUnreadable("no-usable-key")
        return keys

    def _trusted(self, url: str) -> bool:
        """https; plain http only where the metadata itself is read from this machine."""
        there = urlsplit(url)
        local = is_loopback(urlsplit(self._url).hostname) and is_loopback(there.hostname)
        return there.scheme == "https" or (there.scheme == "http" and local)

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with self._session.get(url, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=10)) as answer:
                raw = bytearray()
                async for chunk in answer.content.iter_any():
                    raw += chunk
                    if len(raw) > LARGEST:
                        raise KeysUnreadable("too-large")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KeysUnreadable(type(error).__name__) from error
        if answer.status != 200:
            raise KeysUnreadable(f"status-{answer.status}")
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise KeysUnreadable("not-json") from error
        if not isinstance(body, dict):
            raise KeysUnreadable("not-an-object")
        return body


def _signing_keys(jwks: dict[str, Any]) -> dict[str, SigningKey]:
    published = jwks.get("keys")
    found = {}
    for entry in published if isinstance(published, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("kid"), str):
            key = _rsa_key(entry)
            endorsed = entry.get("endorsements")
            if key is not None:
                names = endorsed if isinstance(endorsed, list) else []
                found[entry["kid"]] = SigningKey(key, frozenset(name for name in names if isinstance(name, str)))
    return found


def _rsa_key(entry: dict[str, Any]) -> RSAKey | None:
    """Only public RSA signing keys of a sound size; anything else published beside them is not for us."""
    modulus, exponent = entry.get("n"), entry.get("e")
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    if not isinstance(modulus, str) or not isinstance(exponent, str) or len(modulus) * 6 < SMALLEST_KEY_BITS - 8:
        return None
    try:
        return RSAKey.import_key({"kty": "RSA", "n": modulus, "e": exponent})
    except (JoseError, ValueError):
        return None
