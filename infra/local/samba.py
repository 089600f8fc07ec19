"""A real Active Directory for tests: Samba domain controllers, each in a network namespace of its own, as root.

Where namespaces cannot be made there is one controller, on loopback. Its ports are fixed, so one domain at a time.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from infra.local.samba_certificates import DomainAuthority
from infra.local.samba_network import SUBNET, NetworkError, alone, bridged, cleared, namespace, path

REALM: Final = "corp.contoso.com"
NETBIOS: Final = "CORP"
PASSWORD: Final = "Passw0rd!x9"  # noqa: S105  # of a domain that lives as long as a test
STARTING_S: Final = 30.0
TOOL_S: Final = 90.0


class SambaError(Exception):
    """A domain cannot be had; the text says why."""


def why_not() -> str | None:
    """Why no domain can be had on this machine, in a few words; None where it can."""
    if sys.platform != "linux":
        return "Samba runs on Linux"
    if os.geteuid() != 0:
        return "a domain controller takes root"
    missing = [each for each in ("samba", "samba-tool") if not shutil.which(each, path=path())]
    return f"{' and '.join(missing)} not installed" if missing else None


@dataclass
class SambaController:
    name: str
    """Short: dc1."""
    address: str
    folder: Path
    namespace: str | None
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"{self.name}.{REALM}"

    @property
    def config(self) -> Path:
        return self.folder / "etc" / "smb.conf"

    @property
    def database(self) -> Path:
        return self.folder / "private" / "sam.ldb"

    def command(self, *words: str) -> list[str]:
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return [*inside, *words]

    def options(self) -> list[str]:
        """What each of Samba's programs must be told, so that it writes nowhere else and listens nowhere else."""
        bound = f"lo {self.address}/24" if self.namespace else "lo"
        told = {
            "posix:eadb": self.folder / "eadb.tdb",
            "interfaces": bound,
            "bind interfaces only": "yes",
            "log file": self.folder / "log",
            "pid directory": self.folder,
            "netbios name": self.name,
            "workgroup": NETBIOS,
        }
        return [f"--option={key}={value}" for key, value in told.items()]


@dataclass
class SambaDomain:
    folder: Path
    ca: Path
    """The certificate that signed those of the controllers."""
    controllers: list[SambaController] = field(default_factory=list)
    realm: str = REALM
    password: str = PASSWORD
    authority: DomainAuthority = field(default_factory=lambda: DomainAuthority(NETBIOS))

    @property
    def dn(self) -> str:
        return ",".join(f"DC={part}" for part in self.realm.split("."))

    @property
    def administrator(self) -> str:
        return f"administrator@{self.realm}"

    @property
    def first(self) -> SambaController:
        return self.controllers[0]

    async def tool(self, *words: str) -> str:
        """`samba-tool`, on the first controller's own database."""
        return await _run("samba-tool", *words, "-H", str(self.first.database), "-s", str(self.first.config))

    async def join(self, name: str = "dc2") -> SambaController:
        """A second controller with what the first holds now. Nothing replicates afterwards: there is no DNS to find
        one another by, so what one learns later the other does not know. Raises SambaError on loopback.
        """
        if not self.first.namespace:
            raise SambaError("a second controller takes network namespaces")
        controller = await asyncio.to_thread(_controller, self, name, len(self.controllers) + 1)
        self.controllers.append(controller)
        words = ["domain", "join", self.realm, "DC", "-U", f"{NETBIOS}\\administrator", f"--password={self.password}"]
        words += [f"--server={self.first.host}", "--dns-backend=NONE", f"--targetdir={controller.folder}"]
        await _run(*controller.command("samba-tool", *words, *controller.options()), kerberos=self._kerberos())
        await self.start(controller)
        return controller

    async def start(self, controller: SambaController) -> None:
        """Raises SambaError."""
        secured = self._secured(controller)
        services = "--option=server services=ldap,cldap,rpc,kdc"
        words = ["samba", "-F", "-M", "single", "--no-process-group", "-s", str(controller.config), services]
        words += [*controller.options(), *secured, "--option=ldap server require strong auth=no"]
        with (controller.folder / "output").open("wb") as output:
            controller.process = await asyncio.to_thread(
                _started, controller.command(*words), output, _environment(self._kerberos())
            )
        await _listening(controller)

    async def stop(self, controller: SambaController) -> None:
        process, controller.process = controller.process, None
        if process is not None:
            await asyncio.to_thread(_ended, process)

    def _kerberos(self) -> Path:
        path = self.folder / "krb5.conf"
        if not path.exists():
            realm = self.realm.upper()
            path.write_text(
                f"[libdefaults]\ndefault_realm = {realm}\ndns_lookup_realm = false\ndns_lookup_kdc = false\n"
                f"[realms]\n{realm} = {{\n kdc = {self.first.address}\n}}\n"
                f"[domain_realm]\n.{self.realm} = {realm}\n{self.realm} = {realm}\n"
            )
        return path

    def _secured(self, controller: SambaController) -> list[str]:
        key, certificate = controller.folder / "key.pem", controller.folder / "cert.pem"
        self.authority.issue(controller.host, key, certificate)
        told = {"tls keyfile": key, "tls certfile": certificate, "tls cafile": self.ca}
        return [f"--option={name}={path}" for name, path in told.items()]


@asynccontextmanager
async def samba_domain(folder: Path) -> AsyncIterator[SambaDomain]:
    """A domain with one controller that answers. Waits while another one runs. Raises SambaError."""
    reason = why_not()
    if reason:
        raise SambaError(reason)
    with contextlib.ExitStack() as held:
        try:
            await asyncio.to_thread(held.enter_context, alone())
        except NetworkError as error:
            raise SambaError(str(error)) from error
        apart = await asyncio.to_thread(bridged)
        domain = SambaDomain(folder, folder / "ca.pem")
        domain.ca.write_bytes(domain.authority.certificate)
        try:
            domain.controllers.append(await asyncio.to_thread(_controller, domain, "dc1", 1 if apart else 0))
            await _provision(domain)
            await domain.start(domain.first)
            yield domain
        finally:
            for each in domain.controllers:
                await domain.stop(each)
            await asyncio.to_thread(cleared)


async def _provision(domain: SambaDomain) -> None:
    words = ["samba-tool", "domain", "provision", f"--realm={REALM.upper()}", f"--domain={NETBIOS}"]
    words += [f"--adminpass={PASSWORD}", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1"]
    await _run(*domain.first.command(*words, f"--targetdir={domain.first.folder}", *domain.first.options()))


def _controller(domain: SambaDomain, name: str, number: int) -> SambaController:
    """`number` 0: on loopback."""
    folder = domain.folder / name
    folder.mkdir()
    if not number:
        return SambaController(name, "127.0.0.1", folder, None)
    own = f"wsdc{number}"
    try:
        namespace(own, number, domain.realm)
    except NetworkError as error:
        raise SambaError(str(error)) from error
    return SambaController(name, f"{SUBNET}.{10 + number}", folder, own)


async def _run(*words: str, kerberos: Path | None = None) -> str:
    """Raises SambaError with the end of what the program said."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # words of this file and of tests
            words, capture_output=True, timeout=TOOL_S, check=False, env=_environment(kerberos), text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    try:
        done = await asyncio.to_thread(run)
    except subprocess.TimeoutExpired as error:
        raise SambaError(f"{words[0]} took longer than {TOOL_S:.0f} seconds") from error
    if done.returncode:
        raise SambaError(f"{' '.join(words[:6])}…: {(done.stderr or done.stdout)[-600:]}")
    return done.stdout


def _environment(kerberos: Path | None) -> dict[str, str]:
    own = {"PATH": path(), "LC_ALL": "C.UTF-8"}
    return own | ({"KRB5_CONFIG": str(kerberos)} if kerberos else {})


def _started(words: list[str], output: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # words of this file
        words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
    )


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


async def _listening(controller: SambaController) -> None:
    """Raises SambaError when the controller ends, or is not there in time."""
    process = controller.process
    try:
        async with asyncio.timeout(STARTING_S):
            while not await asyncio.to_thread(_answers, controller.address, 3269):
                if process is None or process.poll() is not None:
                    raise SambaError(f"{controller.name} ended: {(controller.folder / 'output').read_text()[-600:]}")
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise SambaError(f"{controller.name} does not answer after {STARTING_S:.0f} seconds") from error


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True
