"""Parts of the directory checks that need no controller: policy file, memory, DNS services, replication state."""

import asyncio
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from samba_site import JANE, REALM, STAFF

from bot.probe.checks.dns_wire import SRV, DnsClient, NameServer
from bot.probe.directory.descriptors import BadDescriptor, Descriptor, parse_descriptor
from bot.probe.directory.memory import ContainerMemory
from bot.probe.directory.objects import told
from bot.probe.directory.replication import Neighbour, last_success, parse_neighbour, trouble
from bot.probe.directory.rights import READ_PROPERTY, Account, AttributeRule
from bot.probe.directory.session import Entry
from bot.probe.directory.settings import DEFAULT_ATTRIBUTES, DirectorySettings, Security, is_secret, parse_directory
from bot.probe.section import Section

NEIGHBOUR = """<DS_REPL_NEIGHBOR>
<pszNamingContext>DC=corp,DC=contoso,DC=com</pszNamingContext>
<pszSourceDsaDN>CN=NTDS Settings,CN=DC2,CN=Servers,CN=Paris,CN=Sites,CN=Configuration,DC=corp</pszSourceDsaDN>
<ftimeLastSyncSuccess>2026-11-20T09:26:00Z</ftimeLastSyncSuccess>
<ftimeLastSyncAttempt>2026-11-20T09:30:00Z</ftimeLastSyncAttempt>
<dwLastSyncResult>{code}</dwLastSyncResult>
<cNumConsecutiveSyncFailures>{failures}</cNumConsecutiveSyncFailures>
</DS_REPL_NEIGHBOR>
\0"""
"""Constructed after [MS-ADTS]: Samba does not have this attribute."""


async def test_servers_of_a_service_come_in_the_order_that_dns_gives_them() -> None:
    hosts = ((10, 0, "far.example"), (0, 1, "light.example"), (0, 9, "heavy.example"))
    async with service_name_server(hosts) as client:
        assert await client.servers_of("_ldap._tcp.example") == ("heavy.example", "light.example", "far.example")


@asynccontextmanager
async def service_name_server(hosts: tuple[tuple[int, int, str], ...]) -> AsyncIterator[DnsClient]:
    class Answering(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            assert int.from_bytes(data[-4:-2]) == SRV
            rows = b""
            for priority, weight, host in hosts:
                named = b"".join(bytes([len(part)]) + part.encode() for part in host.split(".")) + b"\0"
                body = struct.pack("!HHH", priority, weight, 389) + named
                rows += b"\xc0\x0c" + struct.pack("!HHIH", SRV, 1, 60, len(body)) + body
            head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(hosts), 0, 0)
            self.transport.sendto(head + data[12:] + rows, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
    try:
        yield DnsClient([NameServer("127.0.0.1", transport.get_extra_info("sockname")[1])])
    finally:
        transport.close()


def test_what_a_controller_says_of_its_neighbours() -> None:
    good = parse_neighbour(NEIGHBOUR.format(code=0, failures=0))
    bad = parse_neighbour(NEIGHBOUR.format(code=8524, failures=12))
    assert good
    assert bad
    assert good.name == "DC2"
    assert last_success((good,)) == "2026-11-20T09:26:00Z"
    assert trouble((good,)) is None
    assert trouble((good, bad)) == "from DC2: error 8524, 12 times in a row"
    assert last_success((Neighbour("x", None, 0, 0),)) is None


@pytest.mark.parametrize("text", ["", "<a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "{}"])
def test_what_is_no_neighbour_is_passed_over(text: str) -> None:
    assert parse_neighbour(text) is None


@pytest.mark.parametrize(
    "held", ["", "[]", "{", '{"version":1,"containers":{"a":"b"}}', '{"version":2,"containers":{}}']
)
def test_a_memory_that_is_broken_is_an_empty_one(tmp_path: Path, held: str) -> None:
    file = tmp_path / "containers.json"
    file.write_text(held)
    assert ContainerMemory(file).guid_of(STAFF) is None


# The policy file


def refusals(**body: Any) -> list[str]:
    wrong: list[str] = []
    parse_directory(Section(body, wrong, "directory"), "corp.contoso.com")
    return wrong


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("x")
    secret.chmod(0o600)
    wrong: list[str] = []
    body = {"controllers": ["DC1.corp.contoso.com."], "user": "p@corp.contoso.com", "password_file": str(secret)}
    body |= {"gmsa": "CORP\\sync$", "security": "starttls", "control": JANE, "containers": [STAFF]}
    found = parse_directory(Section(body, wrong, "directory"), REALM)
    assert wrong == []
    assert found.controllers == ("dc1.corp.contoso.com",)
    assert (found.gmsa, found.security, found.containers) == ("sync$", Security.STARTTLS, (STAFF,))
    assert found.attributes == DEFAULT_ATTRIBUTES == DirectorySettings().attributes


@pytest.mark.parametrize(
    "body",
    [
        {"controllers": ["10.0.0.1"]},
        {"security": "tls"},
        {"user": "p@corp.contoso.com"},
        {"password_file": "/nowhere"},
        {"control": "Jane"},
        {"containers": ["OU=a,,DC=b"]},
        {"attributes": ["cn)(x"]},
        {"attributes": ["ms-Mcs-AdmPwd"]},
        {"attributes": ["unicodePwd"]},
        {"attributes": ["msFVE-RecoveryPassword"]},
        {"gmsa": "a*"},
        {"ca": "/nowhere.pem"},
        {"filter": "(cn=*)"},
    ],
    ids=str,
)
def test_a_mistake_in_the_table_is_a_line(body: dict[str, Any]) -> None:
    assert refusals(**body)


def test_no_default_attribute_is_a_secret() -> None:
    assert not [name for name in DEFAULT_ATTRIBUTES if is_secret(name)]
    assert parse_directory(Section({}, []), None) == DirectorySettings()


# Access lists without a controller


def test_what_is_no_descriptor_is_refused_and_never_read_beyond_its_end() -> None:
    for raw in (b"", b"\1", bytes(20), b"\1\0\4\x80" + bytes(12) + b"\x14\0\0\0", b"\1\0\4\x80" + b"\xff" * 40):
        with pytest.raises(BadDescriptor):
            parse_descriptor(raw)


def test_no_list_at_all_lets_everybody_and_an_empty_one_nobody() -> None:
    anybody = Account("x", frozenset({"S-1-1-0"}))
    assert anybody.may(Descriptor(None, inherits=True), READ_PROPERTY) is True
    assert anybody.may(Descriptor((), inherits=True), READ_PROPERTY) is False


def test_what_may_not_be_read_is_named_and_no_further_attribute_of_it_is_called_empty() -> None:
    rules = {"title": AttributeRule("title", uuid.uuid4(), None, confidential=False, syntax="2.5.5.12", single=True)}
    guarded = Entry("CN=J", {"mail": (b"j@contoso.com",)}, unread=frozenset({"mail", "userprincipalname", "title"}))
    seen = told(guarded, ["title"], rules)
    assert seen["unread"] == ["userPrincipalName"], "the mail was read, whatever the access list says"
    assert seen["attributes"] == {}
    open_to_all = told(Entry("CN=J", {}), ["title"], rules)
    assert "unread" not in open_to_all
    assert open_to_all["attributes"] == {"title": None}
