"""What the probe of a site in good order sees, check by check, in the shape of the probe's own answers."""

from datetime import datetime, timedelta
from typing import Any

from infra.local.configurations import TENANT_ID
from infra.local.people import Domain, Row, guid, utc

SERVICE_BUS = "his-eur1-neur1.servicebus.windows.net"
REGISTRATION = f"{TENANT_ID}.registration.msappproxy.net"
LOGIN = "login.microsoftonline.com"
SECURE_HOSTS = (SERVICE_BUS, REGISTRATION, LOGIN, "www.microsoft.com")
REVOCATION_HOSTS = ("crl3.digicert.com", "ocsp.digicert.com", "mscrl.microsoft.com", "oneocsp.microsoft.com")
ADMIN_LOG = "Microsoft-AzureADConnect-ProvisioningAgent/Admin"
CONNECTED = "The agent successfully established a connection with the service."
NOT_CONNECTED = "The agent could not establish a connection"


def site(probe: str, domain: Domain, at: datetime, objects: list[Row], control: Row) -> Row:
    return {
        "probe": probe,
        "relay": "online",
        "fallback": "online",
        "lastSeen": utc(at - timedelta(seconds=19)),
        "domain": domain.name,
        "agentHost": True,
        "checks": _checks(probe, domain, at, objects, control),
    }


def _checks(probe: str, domain: Domain, at: datetime, objects: list[Row], control: Row) -> Row:
    account = f"{domain.netbios}\\provAgentgMSA$"
    host = f"{probe}.{domain.name}".lower()
    controller = f"dc01.{domain.name}"
    since = utc(at - timedelta(hours=24))
    look = {"as": "gmsa", "dc": controller, "error": None}
    data: dict[str, Any] = {
        "dns": [_resolved(name) for name in (*SECURE_HOSTS, *REVOCATION_HOSTS)],
        "tcp": [
            *(_connected(name, 443) for name in SECURE_HOSTS),
            *(_connected(name, 80) for name in REVOCATION_HOSTS),
        ],
        "tls": [_handshake(name, at) for name in SECURE_HOSTS],
        "revocation": [
            {"host": name, "url": f"http://{name}/", "status": 200, "outcome": "ok", "ms": 31}
            for name in REVOCATION_HOSTS
        ],
        "websocket": [{"host": SERVICE_BUS, "outcome": "ok", "heldS": 240}],
        "clock": {"wall": utc(at), "reference": utc(at), "skewS": 0, "source": "http-date"},
        "host": _host(host, _address(probe), at),
        "services": _services(account, at),
        "agent": _agent(host, domain, at),
        "proxy": {"agentConfig": None, "winHttp": None, "environment": None},
        "eventlog": {"since": since, "entries": _events(at)},
        "trace": {
            "since": since,
            "lines": [{"at": utc(at - timedelta(minutes=2)), "text": "Heartbeat sent.", "count": 720}],
        },
        "gmsa": {
            "account": account,
            "test": True,
            "logonRight": True,
            "hostsAllowed": [f"{probe}$"],
            "kdsRootKey": utc(at - timedelta(days=900)),
            "encryptionTypes": "AES128, AES256",
            "locked": False,
        },
        "directory": look | {"query": "", "objects": objects},
        "control": look | {"query": control["sAMAccountName"], "objects": [control]},
        "containers": [
            {"dn": dn, "exists": True, "readable": True, "renamedTo": None, "objects": _below(dn, objects)}
            for dn in (domain.staff, domain.groups)
        ],
        "controllers": [_controller(f"dc0{n}.{domain.name}", at) for n in (1, 2)],
        "acl": {"dn": domain.staff, "inherits": True, "gmsaCanRead": True, "missing": []},
    }
    return {name: answer(at, value, account) for name, value in data.items()}


def answer(at: datetime, data: Any, account: str, *, ok: bool | None = True, error: str | None = None) -> Row:
    return {"ok": ok, "at": utc(at - timedelta(seconds=4)), "tookMs": 180, "as": account, "data": data, "error": error}


def _resolved(name: str) -> Row:
    chain = [name, f"{guid(name)[:8]}.trafficmanager.net"] if name == SERVICE_BUS else [name]
    last = int(guid(name)[:2], 16)
    return {"host": name, "chain": chain, "addresses": [f"198.51.100.{last}"], "outcome": "ok"}


def _connected(name: str, port: int) -> Row:
    return {"host": name, "port": port, "via": "direct", "outcome": "ok", "ms": 24}


def _handshake(name: str, at: datetime) -> Row:
    return {
        "host": name,
        "port": 443,
        "outcome": "ok",
        "issuer": "Microsoft Azure RSA TLS Issuing CA 04",
        "root": "DigiCert Global Root G2",
        "notAfter": utc(at + timedelta(days=120)),
        "version": "TLSv1.2",
    }


def _address(probe: str) -> str:
    """Each server has its own, by the number in its name."""
    return f"10.20.0.{20 + int(probe[-2:])}"


def _host(host: str, address: str, at: datetime) -> Row:
    return {
        "name": host,
        "os": "Windows Server 2022",
        "build": "20348",
        "edition": "Standard, Desktop Experience",
        "memoryMb": 8192,
        "dotnetRelease": 528449,
        "tls12": True,
        "bootedAt": utc(at - timedelta(days=12)),
        "updates": [],
        "executionPolicy": {"MachinePolicy": "Undefined", "UserPolicy": "Undefined", "LocalMachine": "RemoteSigned"},
        "nics": [{"name": "Ethernet", "address": address, "metric": 15, "gateway": "10.20.0.1", "dns": ["10.20.0.10"]}],
    }


def _services(account: str, at: datetime) -> list[Row]:
    told = (
        ("AADConnectProvisioningAgent", "Microsoft Entra Provisioning Agent", account),
        ("AzureADConnectAgentUpdater", "Microsoft Entra Connect Agent Updater", "LocalSystem"),
        ("VaultSvc", "Credential Manager", "LocalSystem"),
        ("Netlogon", "Netlogon", "LocalSystem"),
        ("W32Time", "Windows Time", "NT AUTHORITY\\LocalService"),
        ("Dnscache", "DNS Client", "NT AUTHORITY\\NetworkService"),
    )
    since = utc(at - timedelta(days=12))
    return [
        {"name": name, "display": display, "state": "Running", "startMode": "Auto", "account": logon, "since": since}
        for name, display, logon in told
    ]


def _agent(host: str, domain: Domain, at: datetime) -> Row:
    return {
        "installed": True,
        "version": "1.1.3730.0",
        "installedAt": utc(at - timedelta(days=200)),
        "tenantId": TENANT_ID,
        "domains": [domain.name],
        "config": {"modifiedAt": utc(at - timedelta(days=200)), "defaultProxy": None},
        "certificate": {"subject": f"CN={guid(f'agent/{host}')}", "notAfter": utc(at + timedelta(days=140))},
        "preferredDcs": [],
        "serviceBusHosts": [SERVICE_BUS],
        "extension": "ADProvisioning",
    }


def _events(at: datetime) -> list[Row]:
    return [
        event(at - timedelta(days=12), "Information", CONNECTED),
        event(at - timedelta(minutes=8), "Information", f"Bootstrap with {REGISTRATION} succeeded.", 144),
        # Every healthy agent writes this one; it means nothing.
        event(
            at - timedelta(hours=3), "Error", "Access to the registry key 'Global' is denied (performance counter).", 6
        ),
    ]


def event(when: datetime, level: str, text: str, count: int = 1) -> Row:
    return {
        "log": ADMIN_LOG,
        "at": utc(when),
        "level": level,
        "id": 12009 if "performance" in text else 0,
        "source": "AAD Connect Provisioning Agent",
        "text": text,
        "count": count,
    }


def _below(dn: str, objects: list[Row]) -> int:
    return sum(str(item["distinguishedName"]).lower().endswith(f",{dn.lower()}") for item in objects)


def _controller(name: str, at: datetime) -> Row:
    ports = dict.fromkeys(("88", "389", "636", "3268", "135", "445"), "ok")
    when = utc(at - timedelta(minutes=4))
    return {
        "dc": name,
        "site": "Default-First-Site-Name",
        "ports": ports,
        "lastReplication": when,
        "replicationError": None,
    }
