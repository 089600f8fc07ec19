"""Builders of what probes see, healthy unless a test changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from world_cloud import cloud_user
from world_times import (
    CONTROL_DN,
    DIGICERT,
    DIGICERT_ROOT,
    DOMAIN,
    GMSA,
    NOW,
    PROBE,
    SERVICE_BUS,
    TENANT,
    USER_DN,
    USER_GUID,
    Change,
    ago,
    stamp,
)

from bot.evidence import Record
from bot.relay.client import CheckAnswer, ProbeContact
from skills.facts.ad import AdObject
from skills.facts.site import (
    Access,
    AgentInstall,
    Contacts,
    Control,
    Directory,
    EventLog,
    Gmsa,
    Host,
    Proxy,
    Services,
    SiteFact,
    Trace,
    site_fact,
)
from skills.facts.subject import AdAccount, Subject, SubjectKind

K = TypeVar("K", bound=SiteFact[Any])


def site(kind: type[K], data: Any, *, probe: str = PROBE, beside_agent: bool = True, identity: str = GMSA) -> Change:
    """One probe's answer to the check of `kind`, `data` in the shape of the contract."""
    return sites(kind, {probe: data}, beside_agent=beside_agent, identity=identity)


def sites(
    kind: type[K], data: Mapping[str, Any], *, beside_agent: bool | Mapping[str, bool] = True, identity: str = GMSA
) -> Change:
    """Several probes' answers to one check, by probe."""
    return {
        kind: site_fact(
            kind,
            [
                CheckAnswer(
                    probe=probe,
                    check=kind.check,
                    ok=True,
                    at=NOW,
                    identity=identity,
                    data=body,
                    error=None,
                    agent_host=beside_agent[probe] if isinstance(beside_agent, Mapping) else beside_agent,
                )
                for probe, body in data.items()
            ],
        )
    }


def contacts(**states: str) -> Change:
    """Probes by name (`_` for `-`), each `online`, `silent`, or alive on one channel only: `relay` or `fallback`."""
    known = [
        ProbeContact(
            probe=name.replace("_", "-"),
            relay=state in ("online", "relay"),
            fallback=state in ("online", "fallback"),
            last_seen=NOW if state != "silent" else ago(hours=2),
            domain=DOMAIN,
            agent_host=True,
        )
        for name, state in states.items()
    ]
    return {Contacts: Contacts.from_probes(known)}


def dns(host: str, outcome: str = "ok", chain: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "host": host,
        "chain": [host, *chain],
        "addresses": ["52.0.0.1"] if outcome == "ok" else [],
        "outcome": outcome,
    }


def tcp(host: str, outcome: str = "ok", port: int = 443, via: str = "direct") -> dict[str, Any]:
    return {"host": host, "port": port, "via": via, "outcome": outcome, "ms": 21}


def tls(
    host: str, outcome: str = "ok", issuer: str | None = DIGICERT, root: str | None = DIGICERT_ROOT
) -> dict[str, Any]:
    return {
        "host": host, "port": 443, "outcome": outcome, "issuer": issuer, "root": root,
        "notAfter": stamp(NOW + timedelta(days=200)), "version": "TLSv1.2",
    }  # fmt: skip


def revocation(host: str, outcome: str = "ok") -> dict[str, Any]:
    return {"host": host, "url": f"http://{host}/x.crl", "status": 200 if outcome == "ok" else None, "outcome": outcome}


def websocket(host: str = SERVICE_BUS, outcome: str = "ok", held: int = 240) -> dict[str, Any]:
    return {"host": host, "outcome": outcome, "heldS": held}


def service(name: str = "AADConnectProvisioningAgent", state: str = "Running", **changes: Any) -> dict[str, Any]:
    body = {
        "name": name,
        "display": name,
        "state": state,
        "startMode": "Auto",
        "account": GMSA,
        "since": stamp(ago(days=9)),
    }
    return body | changes


def services(**states: str) -> Change:
    """Services by their states; those not named are as they should be."""
    normal = {
        "AADConnectProvisioningAgent": "Running",
        "AzureADConnectAgentUpdater": "Running",
        "VaultSvc": "Running",
        "Netlogon": "Running",
    }
    return site(Services, [service(name, state) for name, state in (normal | states).items()])


def event(text: str, at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    body = {
        "log": "Microsoft-AzureADConnect-ProvisioningAgent/Admin", "at": stamp(at or ago(minutes=5)), "level": "Error",
        "id": 12019, "source": "AAD Connect Provisioning Agent", "text": text, "count": 1,
    }  # fmt: skip
    return body | changes


def system_event(
    number: int, source: str, text: str = "", at: datetime | None = None, **changes: Any
) -> dict[str, Any]:
    return event(text, at, **{"log": "System", "id": number, "source": source} | changes)


CONNECTED = "The agent successfully established a connection with the service."
NOT_CONNECTED = "The agent could not establish a connection with the service."


def events(*entries: Mapping[str, Any]) -> Change:
    return site(EventLog, {"since": stamp(ago(days=2)), "entries": list(entries)})


def traces(*texts: str, at: datetime | None = None) -> Change:
    lines = [{"at": stamp(at or ago(minutes=6)), "text": text, "count": 3} for text in texts]
    return site(Trace, {"since": stamp(ago(days=2)), "lines": lines})


def install(**changes: Any) -> Change:
    """The agent's installation; `changes` are keys of the check `agent`."""
    return site(AgentInstall, install_data(**changes))


def install_data(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "installed": True,
        "version": "1.1.2102.0",
        "installedAt": stamp(ago(days=200)),
        "tenantId": TENANT,
        "domains": [DOMAIN],
        "config": {"modifiedAt": stamp(ago(days=200)), "defaultProxy": None},
        "certificate": {"subject": f"CN={TENANT}", "notAfter": stamp(NOW + timedelta(days=120))},
        "preferredDcs": [],
        "serviceBusHosts": [SERVICE_BUS],
        "extension": "CloudSync",
    }
    return body | changes


def host_data(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": PROBE,
        "os": "Windows Server 2022 Datacenter",
        "build": "20348",
        "edition": "ServerDatacenter",
        "memoryMb": 8192,
        "dotnetRelease": 528449,
        "tls12": True,
        "bootedAt": stamp(ago(days=9)),
        "updates": ["KB5041160"],
        "executionPolicy": {"MachinePolicy": "Undefined", "UserPolicy": "Undefined", "LocalMachine": "RemoteSigned"},
        "nics": [{"name": "LAN", "address": "10.0.0.5", "metric": 15, "gateway": "10.0.0.1", "dns": ["10.0.0.2"]}],
    }
    return body | changes


def host(**changes: Any) -> Change:
    return site(Host, host_data(**changes))


def proxies(agent_config: str | None = None, win_http: str | None = None, environment: str | None = None) -> Change:
    return site(Proxy, {"agentConfig": agent_config, "winHttp": win_http, "environment": environment})


def gmsa(**changes: Any) -> Change:
    body: dict[str, Any] = {
        "account": GMSA,
        "test": True,
        "logonRight": True,
        "hostsAllowed": [f"CN={PROBE},OU=Servers,DC=corp,DC=contoso,DC=com"],
        "kdsRootKey": stamp(ago(days=700)),
        "encryptionTypes": "AES128,AES256",
        "locked": False,
    }
    return site(Gmsa, body | changes)


def ad_data(**changes: Any) -> dict[str, Any]:
    """Jane Doe as a probe reads her; `changes` are keys of an AD object."""
    body: dict[str, Any] = {
        "distinguishedName": USER_DN,
        "objectGUID": USER_GUID,
        "objectClass": ["top", "person", "organizationalPerson", "user"],
        "sAMAccountName": "jdoe",
        "userPrincipalName": "jdoe@contoso.com",
        "displayName": "Jane Doe",
        "mail": "jdoe@contoso.com",
        "proxyAddresses": ["SMTP:jdoe@contoso.com"],
        "userAccountControl": 512,
        "isCriticalSystemObject": False,
        "mS-DS-ConsistencyGuid": None,
        "whenCreated": stamp(ago(days=400)),
        "whenChanged": stamp(ago(days=3)),
        "pwdLastSet": stamp(ago(days=30)),
        "memberOf": [],
        "adminCount": 0,
        "deleted": False,
        "attributes": {},
    }
    return body | changes


def ad_object(**changes: Any) -> AdObject:
    return AdObject.from_probe(ad_data(**changes))


def look(
    *objects: Mapping[str, Any], identity: str = "gmsa", dc: str = "DC01", error: str | None = None
) -> dict[str, Any]:
    return {"query": "jdoe", "as": identity, "dc": dc, "objects": list(objects), "error": error}


def directory(*looks: Mapping[str, Any]) -> Change:
    return site(Directory, list(looks))


def control(*looks: Mapping[str, Any]) -> Change:
    return site(Control, list(looks))


def known_good(**changes: Any) -> dict[str, Any]:
    """The site's known-good object."""
    guid = "11111111-2222-4333-8444-555555555555"
    return ad_data(
        **{"distinguishedName": CONTROL_DN, "objectGUID": guid, "sAMAccountName": "whysync-control"} | changes
    )


def ad_account(item: AdObject | None, *others: AdObject) -> Change:
    return {AdAccount: AdAccount(Record(f"site:{PROBE}/directory", NOW), item, others)}


def container(dn: str, **changes: Any) -> dict[str, Any]:
    return {"dn": dn, "exists": True, "readable": True, "renamedTo": None, "objects": 214} | changes


def controller(dc: str = "DC01", **changes: Any) -> dict[str, Any]:
    ports = {"53": "ok", "88": "ok", "389": "ok", "3268": "ok", "445": "ok", "135": "ok"}
    body = {"dc": dc, "site": "HQ", "ports": ports, "lastReplication": stamp(ago(minutes=10)), "replicationError": None}
    return body | changes


def access(**changes: Any) -> Change:
    return site(Access, {"dn": USER_DN, "inherits": True, "gmsaCanRead": True, "missing": []} | changes)


def subject(**changes: Any) -> Subject:
    known = Subject(
        asked="jdoe",
        kind=SubjectKind.USER,
        cloud=cloud_user(),
        ad=ad_object(),
        upn="jdoe@contoso.com",
        sam="jdoe",
        mail="jdoe@contoso.com",
        dn=USER_DN,
        object_guid=USER_GUID,
        name="Jane Doe",
        searched=("cloud directory", "Active Directory"),
    )
    return replace(known, **changes)
