"""Everything that `whysync doctor` looks at, in good order, on loopback; each piece can be taken away."""

import asyncio
import base64
import json
import os
import secrets
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.clock import SystemClock
from bot.enrolling import Enrolling, Terms
from bot.relay.enrolment import apply
from bot.relay.enrolments import StoredEnrolments
from bot.relay.envelope import PrivateKey, b64
from bot.relay.servicebus import CANARY, REPLIES
from bot.store.opening import open_store
from infra.local.cast import ALEX_ADMIN, SAM_SECOND
from infra.local.graph import GraphServer
from infra.local.servicebus import Broker, BrokerServer, Key, Queue
from infra.local.tenant import TENANT_ID, healthy_world
from infra.local.world import World
from skills.permissions import PERMISSIONS
from tests.sdk_sessions import close_forgotten_sessions

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "infra" / "local" / "policy.toml"
EVERY = frozenset(each.name for each in PERMISSIONS)
PROBE = "SRV-SYNC01"


def bearer(roles: frozenset[str]) -> str:
    """A token that tells what it claims; nobody here checks who signed it."""
    parts = ({"alg": "none"}, {"aud": "https://graph.microsoft.com", "roles": sorted(roles), "oid": "5eef"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document

    def line(self, ident: str) -> dict[str, str]:
        found: dict[str, str] = next(line for line in self.document["checks"] if line["id"] == ident)
        return found

    def ids(self, state: str) -> set[str]:
        return {line["id"] for line in self.document["checks"] if line["state"] == state}


@dataclass
class Site:
    folder: Path
    graph: GraphServer
    relay: BrokerServer
    settings: dict[str, str | None] = field(default_factory=dict)

    @property
    def key(self) -> Path:
        return Path(self.settings["SIGNING_KEY"] or "")

    def environment(self, **changes: str | None) -> dict[str, str]:
        """`None` takes a setting away."""
        told = {**self.settings, **changes}
        return {f"WHYSYNC_{name}": value for name, value in told.items() if value is not None}

    async def process(self, *arguments: str, **changes: str | None) -> Ended:
        """`whysync doctor` as a program of its own."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("WHYSYNC_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "doctor", *arguments),
            cwd=ROOT,
            env=own | self.environment(**changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def good_site(folder: Path) -> AsyncIterator[Site]:
    """Nothing is wrong here but what the demo's own policy and log leave to be desired."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close_forgotten_sessions)
        world = World.parse(healthy_world(datetime.now(UTC).replace(microsecond=0)))
        graph = await stack.enter_async_context(GraphServer(world, SystemClock(), token=bearer(EVERY), granted=EVERY))
        broker = Broker({CANARY: Queue(), REPLIES: Queue()}, {"bot": Key(b64(secrets.token_bytes(32)))})
        relay = await stack.enter_async_context(BrokerServer(broker))
        door = await stack.enter_async_context(serving(bots_door()))
        site = Site(folder, graph, relay)
        site.settings = {
            "LOCAL": "1",
            "APP_TENANT_ID": TENANT_ID,
            "GRAPH_URL": graph.url,
            "GRAPH_TOKEN": bearer(EVERY),
            "POLICY": str(POLICY),
            "STORE": f"sqlite:///{folder / 'doctor.sqlite3'}",
            "SERVICEBUS": relay.websocket_string("bot"),
            "SIGNING_KEY": str(signing_key(folder / "signing.key")),
            "PUBLIC_URL": door,
        }
        await enrolled(str(site.settings["STORE"]))
        yield site


def signing_key(path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text(b64(PrivateKey.generate().seed), encoding="ascii")
    return path


async def enrolled(store: str, name: str = PROBE) -> None:
    """One probe, taken in by two people."""

    async def nobody(_: object) -> None: ...

    clock, key = SystemClock(), PrivateKey.generate().public
    terms = Terms("https://whysync.contoso.com", TENANT_ID, PrivateKey.generate().public, "ns.servicebus.windows.net")
    async with open_store(store) as kept:
        enrolling = Enrolling(StoredEnrolments(kept, TENANT_ID, clock), terms, clock, nobody)
        invited = await enrolling.invite(name, frozenset({"clock"}), ALEX_ADMIN)
        await enrolling.admit(apply(invited.token, "srv-sync01.corp.contoso.com", key))
        await enrolling.confirm(name, key.fingerprint, SAM_SECOND)


# What is to be reached from outside.


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def bots_door() -> web.Application:
    app = web.Application()
    app.router.add_get("/healthz", _ok)
    app.router.add_post("/api/messages", _ok)
    return app


def another_door() -> web.Application:
    """Somebody else's server, which answers whatever it is asked."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    return app


@asynccontextmanager
async def serving(app: web.Application, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@cache
def _authority() -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Root")]), ec.generate_private_key(ec.SECP256R1())


def certificate(folder: Path, ends: timedelta, host: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """A server's certificate that ends so far from now, and the file of the root to trust."""
    name, root = _authority()
    key = ec.generate_private_key(ec.SECP256R1())
    basic = x509.BasicConstraints(ca=True, path_length=None)
    signer = _made(name, name, root.public_key(), timedelta(days=900)).add_extension(basic, critical=True)
    trusted, shown = folder / "root.pem", folder / "server.pem"
    trusted.write_bytes(signer.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    made = _made(subject, name, key.public_key(), ends).add_extension(names, critical=False).sign(root, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown)
    return context, trusted


def _made(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, ends: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + ends)
    )
