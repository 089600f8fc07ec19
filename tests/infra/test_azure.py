"""What the Azure templates would make, worked out without Azure: what the code needs, and no more."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from azure_world import (
    AZURE,
    BOT,
    CLIENT,
    FULL,
    PROBE,
    READ_ONLY,
    ROOT,
    SERVERS,
    TEMPLATES,
    VARIANTS,
    environment,
    made_by,
    of_type,
    the_app,
    the_container,
)
from bicep import read, text, walk

from bot import app
from bot.app import DRAIN
from bot.policy import Policy
from bot.relay.servicebus import CANARY, COMMANDS_LIVE, REPLIES, REPLIES_LIVE, request_queue
from bot.settings import PREFIX, RefusedSettings, Settings, for_serving, from_environment
from bot.store.opening import TABLE
from skills.acts import ACTIONS


def test_queues_are_those_that_the_code_speaks_with() -> None:
    found = {made.name: made.body["properties"] for made in of_type("Microsoft.ServiceBus/namespaces/queues")}
    assert set(found) == {request_queue(SERVERS[0]), request_queue(SERVERS[1]), REPLIES, CANARY}
    lives = {name: _seconds(each["defaultMessageTimeToLive"]) for name, each in found.items()}
    assert lives[request_queue(SERVERS[0])] == COMMANDS_LIVE.total_seconds()
    assert lives[REPLIES] == REPLIES_LIVE.total_seconds()
    for each in found.values():
        assert (_seconds(each["lockDuration"]), each["maxDeliveryCount"]) == (60, 2)
        assert each["deadLetteringOnMessageExpiration"] is False


def _seconds(duration: str) -> int:
    (number, unit) = re.fullmatch(r"PT(\d+)([SM])", duration).groups()  # type: ignore[union-attr]  # else it fails
    return int(number) * {"S": 1, "M": 60}[unit]


ROLES = {
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
}
"""As Azure names them."""


def test_rights_are_given_on_single_queues_and_nothing_more() -> None:
    sender, receiver = "Azure Service Bus Data Sender", "Azure Service Bus Data Receiver"
    found = {(who, made.rpartition("/")[2], role) for who, made, role in _relay_rights()}
    assert found == {
        ("bot", request_queue(SERVERS[0]), sender),
        ("bot", request_queue(SERVERS[1]), sender),
        ("bot", REPLIES, receiver),
        ("bot", CANARY, sender),
        ("bot", CANARY, receiver),
        ("probe", request_queue(SERVERS[0]), receiver),
        ("probe", REPLIES, sender),
    }


def _relay_rights() -> Iterator[tuple[str, str, str]]:
    for made in of_type("Microsoft.Authorization/roleAssignments"):
        given = made.body["properties"]
        role = ROLES[given["roleDefinitionId"].rpartition("/")[2]]
        if "Service Bus" in role:
            assert "/queues/" in made.scope
            yield {BOT: "bot", PROBE: "probe"}[given["principalId"]], made.scope, role


def test_the_bot_holds_one_role_on_each_thing_it_uses() -> None:
    found = {}
    for made in of_type("Microsoft.Authorization/roleAssignments"):
        given = made.body["properties"]
        role = ROLES[given["roleDefinitionId"].rpartition("/")[2]]
        if "Service Bus" not in role:
            assert given["principalId"] == BOT
            found[role] = made.scope.rpartition("/")[0].rpartition("/")[2]
    assert found == {
        "AcrPull": "registries",
        "Key Vault Secrets User": "vaults",
        "Monitoring Metrics Publisher": "components",
        "Storage Table Data Contributor": "storageAccounts",
    }


def test_every_role_is_named_as_azure_names_it() -> None:
    lines = re.findall(r"'([0-9a-f-]{36})' // (.+)", (AZURE / "modules/roles.bicep").read_text())
    assert dict(lines) == ROLES


def test_a_role_is_given_only_where_the_template_says_to_whom() -> None:
    for made in of_type("Microsoft.Authorization/roleAssignments"):
        assert made.scope
        assert made.body["properties"]["principalType"] == "ServicePrincipal"


def test_the_table_is_the_one_the_store_opens() -> None:
    (table,) = of_type("Microsoft.Storage/storageAccounts/tableServices/tables")
    assert table.name == TABLE


# Settings


UNSET = {
    "tenants": "the app's own tenant is the one",
    "metrics_port": "listens on loopback alone, where nobody else is in a container",
    "local": "development",
    "graph_url": "only with LOCAL",
    "graph_token": "only with LOCAL",
    "openid_url": "only with LOCAL",
    "connector_token": "only with LOCAL",
}


@pytest.mark.parametrize("variant", ["full", "read-only"])
def test_the_bot_takes_the_settings_it_is_given(variant: str) -> None:
    settings = for_serving(from_environment(settings_of(VARIANTS[variant])))
    assert settings.app_id == CLIENT
    assert settings.read_only is (variant == "read-only")
    assert str(settings.policy) == "/etc/whysync/policy.toml"


def settings_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    (app,) = (made for made in made_by(parameters) if made.type == "Microsoft.App/containerApps")
    return {each["name"]: each["value"] for each in app.body["properties"]["template"]["containers"][0]["env"]}


def test_every_setting_is_set_or_left_out_for_a_reason() -> None:
    given = {name[len(PREFIX) :].lower() for name in environment() if name.startswith(PREFIX)}
    assert given.isdisjoint(UNSET)
    assert given | set(UNSET) == set(Settings.model_fields)


def test_what_is_chosen_is_left_out_where_it_is_not() -> None:
    named = set(settings_of(READ_ONLY))
    assert named.isdisjoint({"WHYSYNC_ORGANIZATION", "WHYSYNC_SUPPORT_URL", "WHYSYNC_APPLICATIONINSIGHTS"})


def test_another_policy_makes_another_revision() -> None:
    assert environment(policy="a")["POLICY_VERSION"] != environment(policy="b")["POLICY_VERSION"]
    assert environment(policy="a") | {"POLICY_VERSION": ""} == environment(policy="b") | {"POLICY_VERSION": ""}


def test_the_policy_file_stands_where_the_setting_says() -> None:
    template = the_app()["template"]
    (mount,) = the_container()["volumeMounts"]
    (volume,) = template["volumes"]
    (file,) = volume["secrets"]
    assert volume["name"] == mount["volumeName"]
    assert f"{mount['mountPath']}/{file['path']}" == environment()["WHYSYNC_POLICY"]
    assert the_app()["configuration"]["secrets"] == [{"name": file["secretRef"], "value": FULL["policy"]}]


def test_the_example_policy_is_sound_and_lets_nobody_in_but_for_themselves() -> None:
    policy = Policy.load(AZURE / "policy.example.toml", {action.op: action for action in ACTIONS})
    assert policy.groups == ()
    assert not any(members.people for members in policy.roles.values())


# The container


def test_every_port_is_the_one_the_bot_listens_on() -> None:
    settings = from_environment(environment())
    probes = the_container()["probes"]
    assert the_app()["configuration"]["ingress"]["targetPort"] == settings.port
    assert {probe["httpGet"]["port"] for probe in probes} == {settings.port}
    assert settings.host == "0.0.0.0"
    assert "additionalPortMappings" not in the_app()["configuration"]["ingress"]


def test_the_container_is_looked_after_by_what_the_bot_answers() -> None:
    probes = {probe["type"]: probe for probe in the_container()["probes"]}
    assert {kind: probe["httpGet"]["path"] for kind, probe in probes.items()} == {
        "Startup": "/healthz",
        "Liveness": "/healthz",
        "Readiness": "/readyz",
    }
    for probe in probes.values():
        assert 1 <= probe["failureThreshold"] <= 10
        assert 1 <= probe["periodSeconds"] <= 240
    source = (ROOT / "bot/app.py").read_text()
    assert all(f'"{path}"' in source for path in ("/healthz", "/readyz"))


def test_an_instance_has_time_to_end_its_turns() -> None:
    assert DRAIN + 10 <= the_app()["template"]["terminationGracePeriodSeconds"] <= 600


def test_more_than_one_instance_runs_and_one_revision() -> None:
    scale = the_app()["template"]["scale"]
    assert 2 <= scale["minReplicas"] < scale["maxReplicas"]
    assert the_app()["configuration"]["activeRevisionsMode"] == "Single"


def test_scaling_leaves_room_for_the_requests_that_probes_hold_open() -> None:
    (rule,) = (rule for rule in the_app()["template"]["scale"]["rules"] if "http" in rule)
    assert int(rule["http"]["metadata"]["concurrentRequests"]) >= 100


def test_the_door_is_open_to_https_alone() -> None:
    ingress = the_app()["configuration"]["ingress"]
    assert (ingress["external"], ingress["allowInsecure"]) == (True, False)
    (bot,) = of_type("Microsoft.BotService/botServices")
    public = environment()["WHYSYNC_PUBLIC_URL"]
    assert public.startswith("https://")
    assert bot.body["properties"]["endpoint"] == f"{public}/api/messages"


def test_the_bot_is_known_to_one_tenant_as_the_managed_identity() -> None:
    (bot,) = of_type("Microsoft.BotService/botServices")
    properties = bot.body["properties"]
    assert properties["msaAppType"] == "UserAssignedMSI"
    assert properties["msaAppId"] == environment()["WHYSYNC_APP_ID"] == CLIENT
    assert environment()["WHYSYNC_APP_CREDENTIAL"] == f"managed_identity:{CLIENT}"
    assert environment()["WHYSYNC_APP_TENANT_ID"] == properties["msaAppTenantId"]


# Secrets


def test_nothing_is_opened_by_a_key() -> None:
    everything = {made.type: made.body.get("properties", {}) for made in made_by(FULL)}
    assert everything["Microsoft.Storage/storageAccounts"]["allowSharedKeyAccess"] is False
    assert everything["Microsoft.ServiceBus/namespaces"]["disableLocalAuth"] is True
    assert everything["Microsoft.ContainerRegistry/registries"]["adminUserEnabled"] is False
    assert everything["Microsoft.KeyVault/vaults"]["enableRbacAuthorization"] is True
    assert everything["Microsoft.BotService/botServices"]["disableLocalAuth"] is True
    assert everything["Microsoft.Insights/components"]["DisableLocalAuth"] is True
    assert everything["Microsoft.OperationalInsights/workspaces"]["features"]["disableLocalAuth"] is True
    assert "Microsoft.ServiceBus/namespaces/AuthorizationRules" not in everything


def test_probes_get_a_key_only_where_that_was_asked_for() -> None:
    (rule,) = of_type("Microsoft.ServiceBus/namespaces/AuthorizationRules", probeKeys=True)
    assert rule.body["properties"]["rights"] == ["Listen", "Send"]
    (namespace,) = of_type("Microsoft.ServiceBus/namespaces", probeKeys=True)
    assert namespace.body["properties"]["disableLocalAuth"] is False


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_tells_a_secret(path: Path) -> None:
    file = read(path)
    secure = {name for name, each in file.parameters.items() if each.secure}
    for name, node in file.outputs.items():
        mentioned = {text(each) for each in walk(node) if each.type.endswith("identifier")}
        assert mentioned.isdisjoint(secure | {"ConnectionString"}), name
    assert not re.search(r"\blist(Keys|Secrets|Credentials|AccountSas)?\s*\(", path.read_text())


def test_the_policy_is_kept_out_of_the_history_of_deployments_wherever_it_goes() -> None:
    assert {path.name for path in TEMPLATES if "policy" in read(path).parameters} == {"main.bicep", "bot.bicep"}
    assert all(read(path).parameters["policy"].secure for path in TEMPLATES if "policy" in read(path).parameters)


async def test_a_read_only_deployment_stops_all_acts_whatever_the_policy_file_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("person_key = 'objectId'\n[actions]\nread_only = false\n")
    given = {"LOCAL": "1", "GRAPH_URL": "http://127.0.0.1:9", "POLICY": str(file)}
    seen = []

    @asynccontextmanager
    async def opened(_: Settings, __: object, ___: object, policy: Policy, **____: object) -> AsyncIterator[None]:
        seen.append(policy.read_only)
        raise RefusedSettings(["far enough"])
        yield

    monkeypatch.setattr(app, "open_bot", opened)
    for read_only in ("0", "1"):
        settings = from_environment(
            {f"{PREFIX}{name}": value for name, value in {**given, "READ_ONLY": read_only}.items()}
        )
        with pytest.raises(RefusedSettings, match="far enough"):
            await app.serve(settings)
    assert seen == [False, True]
