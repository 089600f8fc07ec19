"""One deployment of the Azure templates, worked out, for the tests that look at it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bicep_deployment import Deployment, Made

ROOT: Final = Path(__file__).parents[2]
AZURE: Final = ROOT / "infra/azure"
MAIN: Final = AZURE / "main.bicep"
TEMPLATES: Final = sorted(AZURE.rglob("*.bicep"))

BOT: Final = "b0700000-0000-4000-8000-000000000001"
CLIENT: Final = "c0700000-0000-4000-8000-000000000001"
PROBE: Final = "90000000-0000-4000-8000-000000000001"
SERVERS: Final = ("SRV-SYNC01", "Srv-Sync02")
IMAGE: Final = "whysync.azurecr.io/whysync:1"
RUNTIME: Final[Mapping[str, Mapping[str, Any]]] = {
    "Microsoft.App/managedEnvironments": {"defaultDomain": "nice.westeurope.azurecontainerapps.io"},
    "Microsoft.ContainerRegistry/registries": {"loginServer": "whysync.azurecr.io"},
    "Microsoft.Insights/components": {
        "ConnectionString": "InstrumentationKey=11111111-2222-4333-8444-555555555555;IngestionEndpoint=https://x.test/"
    },
    "Microsoft.KeyVault/vaults": {"vaultUri": "https://whysync-x.vault.azure.net/"},
    "Microsoft.ManagedIdentity/userAssignedIdentities": {"principalId": BOT, "clientId": CLIENT},
}
READ_ONLY: Final[Mapping[str, Any]] = {"acts": False, "image": IMAGE, "policy": "person_key = 'objectId'"}
FULL: Final[Mapping[str, Any]] = {
    **READ_ONLY,
    "acts": True,
    "probes": [{"name": SERVERS[0], "principalId": PROBE}, {"name": SERVERS[1]}],
    "insights": True,
    "organization": "Contoso",
    "supportUrl": "https://help.contoso.com",
    "alertMail": "oncall@contoso.com",
}
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "full": FULL,
    "read-only": READ_ONLY,
    "first run": {"acts": True},
    "with keys for probes": {**FULL, "probeKeys": True, "purgeProtection": False, "name": "twelve-chars"},
}


def made_by(parameters: Mapping[str, Any]) -> list[Made]:
    deployment = Deployment(RUNTIME)
    deployment.run(MAIN, parameters)
    return deployment.made


def of_type(kind: str, **changes: Any) -> list[Made]:
    return [made for made in made_by({**FULL, **changes}) if made.type == kind]


def the_app(**changes: Any) -> dict[str, Any]:
    (app,) = of_type("Microsoft.App/containerApps", **changes)
    return dict(app.body["properties"])


def the_container(**changes: Any) -> dict[str, Any]:
    (container,) = the_app(**changes)["template"]["containers"]
    return dict(container)


def environment(**changes: Any) -> dict[str, str]:
    return {each["name"]: each["value"] for each in the_container(**changes)["env"]}
