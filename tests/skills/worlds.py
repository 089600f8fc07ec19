"""A healthy tenant with one healthy site as evidence; every builder of evidence can be imported from here."""
# ruff: noqa: F403, F405  # this is the one door to the three files of builders

from world_cloud import *
from world_site import *
from world_times import *

from bot.evidence import Evidence, Record
from skills.facts.directory import (
    AccountRoles,
    CloudUser,
    Holders,
    RecycleBin,
    SignIn,
    SourceOfAuthority,
    SyncAccount,
)
from skills.facts.jobs import DeleteThreshold
from skills.facts.site import Containers, Controllers, Dns, Revocation, ServerClock, Tcp, Tls, WebSocket
from skills.facts.subject import Identity, Placement
from skills.facts.tenant import (
    Domain,
    Domains,
    Now,
    Organization,
    ServiceHealth,
    SyncFeatures,
)

_SITE: Change = (
    contacts(SRV_SYNC01="online")
    | site(Dns, [dns(SERVICE_BUS), dns(REGISTRATION), dns(LOGIN)])
    | site(Tcp, [tcp(SERVICE_BUS), tcp(REGISTRATION), tcp(LOGIN), tcp("crl3.digicert.com", port=80)])
    | site(Tls, [tls(SERVICE_BUS), tls(REGISTRATION), tls(LOGIN)])
    | site(Revocation, [revocation("crl3.digicert.com"), revocation("oneocsp.microsoft.com")])
    | site(WebSocket, [websocket()])
    | site(ServerClock, {"wall": stamp(NOW), "reference": stamp(NOW), "skewS": 0, "source": "http-date"})
    | host()
    | services()
    | install()
    | proxies()
    | events(event(CONNECTED, ago(days=9), level="Information"))
    | traces("Bootstrap succeeded.")
    | gmsa()
    | directory(look(ad_data()))
    | control(look(known_good()))
    | site(Containers, [container("OU=Staff,DC=corp,DC=contoso,DC=com")])
    | site(Controllers, [controller("DC01"), controller("DC02")])
    | access()
)

_DOMAINS = (
    Domain(Record("graph:domains/contoso.com"), "contoso.com", True, True, False, "Managed"),
    Domain(Record("graph:domains/contoso.onmicrosoft.com"), "contoso.onmicrosoft.com", True, False, True, "Managed"),
)

_SYNC_ACCOUNT = CloudUser.from_graph(
    {"id": "u-sync", "userPrincipalName": "ADToAADSyncServiceAccount@contoso.onmicrosoft.com", "accountEnabled": True}
)

_TENANT: Change = (
    {
        Now: Now(Record("graph:now/-", NOW), NOW),
        Organization: Organization(
            Record(f"graph:organization/{TENANT}"), TENANT, "Contoso", True, ago(minutes=1), True
        ),
        Domains: Domains(Record("graph:domains/-"), _DOMAINS),
        SyncFeatures: SyncFeatures(
            Record("graph:onPremisesSynchronization/-"), False, False, True, True, True, "disabled", 500
        ),
        DeleteThreshold: DeleteThreshold(Record("graph:secrets/SyncNotificationSettings"), True, 500),
        ServiceHealth: ServiceHealth(Record("graph:serviceHealth/-"), ()),
        RecycleBin: RecycleBin(Record("graph:deletedUsers/-"), ()),
        Holders: Holders(Record("graph:users/-"), ()),
        AccountRoles: AccountRoles(Record("graph:roleAssignments/-"), ()),
        SourceOfAuthority: SourceOfAuthority(Record("graph:onPremisesSyncBehavior/-"), None),
        SyncAccount: SyncAccount(
            _SYNC_ACCOUNT.record,
            _SYNC_ACCOUNT,
            None,
            (SignIn(Record("graph:signIns/s-1", ago(minutes=3)), ago(minutes=3), 0, None),),
        ),
        Identity: Identity(Record("graph:users/u-jdoe"), subject()),
        Placement: Placement(Record(f"site:{PROBE}/directory", NOW), USER_DN),
    }
    | jobs(job(), password_hash=password_job())
    | agents(agent())
    | audits()
    | schema()
    | cloud(cloud_user())
    | subject_rows(row())
    | recent_rows(row())
    | attempts()
    | ad_account(ad_object())
)

HEALTHY = Evidence({**_TENANT, **_SITE})
"""Everything is known and nothing is wrong. Rows of a table say `HEALTHY | change`."""
