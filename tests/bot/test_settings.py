"""Settings: whatever is wrong in the environment is refused before anything starts, each mistake in one line."""

from pathlib import Path
from typing import Any

import pytest

from bot.settings import RefusedSettings, Settings, for_serving, from_environment

TENANT = "5a1d2c3b-1111-4222-8333-0123456789ab"
LOCAL = {"LOCAL": "1", "GRAPH_URL": "http://127.0.0.1:8080"}


def read(**given: str) -> Settings:
    return from_environment({f"WHYSYNC_{name}": value for name, value in given.items()})


def refusals(**given: str) -> list[str]:
    with pytest.raises(RefusedSettings) as refused:
        for_serving(read(**given))
    assert all("\n" not in line and line.startswith("WHYSYNC_") for line in refused.value.lines)
    return refused.value.lines


def served(tmp_path: Path, **given: str) -> dict[str, str]:
    (tmp_path / "policy.toml").write_text("")
    return {"APP_ID": "a", "APP_TENANT_ID": TENANT, "POLICY": str(tmp_path / "policy.toml")} | given


def test_an_empty_environment_is_enough_to_ask_but_not_to_serve() -> None:
    settings = from_environment({})
    assert settings.graph_url == "https://graph.microsoft.com"
    assert settings.host == "127.0.0.1"
    with pytest.raises(RefusedSettings):
        for_serving(settings)


def test_other_programs_settings_are_not_ours() -> None:
    assert from_environment({"PATH": "/bin", "AZURE_CLIENT_ID": "x"}) == from_environment({})


def test_an_unknown_name_is_refused_and_named() -> None:
    assert refusals(POLCY="p") == ["WHYSYNC_POLCY: there is no such setting"]


@pytest.mark.parametrize(
    "value", ["secret:/run/key\n", "managed_identity ", "\tmanaged_identity", "managed_identity\r\n"]
)
def test_white_space_around_a_value_is_refused(value: str) -> None:
    assert refusals(APP_CREDENTIAL=value)[0] == "WHYSYNC_APP_CREDENTIAL: it ends with white space or a line break"


def test_every_mistake_is_told_at_once() -> None:
    lines = refusals(POLCY="p", PORT="abc", LOG_LEVEL="LOUD", APP_ID="a\n")
    assert [line.partition(":")[0] for line in lines] == [
        "WHYSYNC_APP_ID",
        "WHYSYNC_LOG_LEVEL",
        "WHYSYNC_POLCY",
        "WHYSYNC_PORT",
    ]


@pytest.mark.parametrize("name", ["GRAPH_URL", "GRAPH_TOKEN", "OPENID_URL", "CONNECTOR_TOKEN"])
def test_what_sends_secrets_elsewhere_is_for_a_laptop_only(name: str) -> None:
    assert refusals(**{name: "http://127.0.0.1:1"}) == [f"WHYSYNC_{name}: only allowed with WHYSYNC_LOCAL=1"]


@pytest.mark.parametrize(
    "url",
    [
        "https://graph.microsoft.com",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0:80",
        "http://[::1",
        "127.0.0.1:8080",
    ],
)
@pytest.mark.parametrize("name", ["GRAPH_URL", "OPENID_URL"])
def test_on_a_laptop_every_address_is_this_machine(name: str, url: str) -> None:
    lines = refusals(**(LOCAL | {name: url}))
    assert lines == [f"WHYSYNC_{name}: WHYSYNC_LOCAL=1 needs a loopback address, not {url}"]


def test_on_a_laptop_the_real_graph_is_never_asked() -> None:
    assert refusals(LOCAL="1") == [
        "WHYSYNC_GRAPH_URL: WHYSYNC_LOCAL=1 needs a loopback address, not https://graph.microsoft.com"
    ]


def test_on_a_laptop_the_door_opens_to_this_machine_alone(tmp_path: Path) -> None:
    lines = refusals(**served(tmp_path, **LOCAL, HOST="0.0.0.0"))
    assert lines == ["WHYSYNC_HOST: WHYSYNC_LOCAL=1 listens on loopback alone, not on 0.0.0.0"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_a_laptop_may_have_its_own_graph(url: str) -> None:
    assert read(LOCAL="1", GRAPH_URL=url).graph_url == url


def test_unsigned_activities_are_taken_on_a_laptop_without_a_key_server_only(tmp_path: Path) -> None:
    assert read(**LOCAL).unsigned_ok
    assert not read(**LOCAL, OPENID_URL="http://127.0.0.1:1/keys").unsigned_ok
    assert not read(**served(tmp_path)).unsigned_ok


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    for name, value in (("APP_CREDENTIAL", f"secret:{secret}"), ("SIGNING_KEY", str(secret))):
        secret.chmod(0o644)
        assert refusals(**{name: value}) == [f"WHYSYNC_{name}: {secret} can be read by others; chmod 600 it"]
        secret.chmod(0o600)
        assert read(**{name: value})


@pytest.mark.parametrize("kind", ["secret", "certificate"])
def test_a_secret_file_that_is_not_there_is_refused(kind: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert refusals(APP_CREDENTIAL=f"{kind}:{gone}") == [f"WHYSYNC_APP_CREDENTIAL: there is no file {gone}"]


@pytest.mark.parametrize("value", ["hunter2", "secret", "certificate:", "password:x"])
def test_a_credential_of_another_form_is_refused_without_being_repeated(value: str) -> None:
    lines = refusals(APP_CREDENTIAL=value)
    assert lines == ["WHYSYNC_APP_CREDENTIAL: managed_identity[:client-id], certificate:PATH or secret:FILE"]


@pytest.mark.parametrize("tenants", ["*", f"{TENANT},*"])
def test_everybodys_tenant_is_refused(tenants: str, tmp_path: Path) -> None:
    lines = refusals(**served(tmp_path, TENANTS=tenants))
    assert lines == ["WHYSYNC_TENANTS: name the tenants; * is not accepted"]


@pytest.mark.parametrize("url", ["http://bot.contoso.com", "ftp://bot.contoso.com", "bot.contoso.com", "http://[::1"])
def test_a_public_address_is_https(url: str, tmp_path: Path) -> None:
    assert refusals(**served(tmp_path, PUBLIC_URL=url)) == ["WHYSYNC_PUBLIC_URL: must be https"]
    assert read(**served(tmp_path, PUBLIC_URL="https://bot.contoso.com")).public_url == "https://bot.contoso.com"


def test_serving_needs_an_app_a_tenant_and_a_policy(tmp_path: Path) -> None:
    whole = served(tmp_path)
    assert for_serving(read(**whole)).app_id == "a"
    for name in whole:
        less = {key: value for key, value in whole.items() if key != name}
        assert [line.partition(":")[0] for line in refusals(**less)] == [f"WHYSYNC_{name}"]


def test_the_tenants_are_those_named_else_the_apps_own(tmp_path: Path) -> None:
    assert read(**served(tmp_path)).allowed_tenants == {TENANT}
    assert read(**served(tmp_path, TENANTS=f"{TENANT.upper()}, other")).allowed_tenants == {TENANT, "other"}


@pytest.mark.parametrize(("name", "value"), [("PORT", "70000"), ("PORT", "-1"), ("PORT", "x"), ("LOCAL", "perhaps")])
def test_a_value_of_the_wrong_kind_is_one_line(name: str, value: str) -> None:
    given: dict[str, Any] = {name: value}
    assert [line.partition(":")[0] for line in refusals(**given)] == [f"WHYSYNC_{name}"]


def test_settings_cannot_be_changed_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read().port = 1


KEYED = "InstrumentationKey=00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    "value", ["IngestionEndpoint=https://in.example", "InstrumentationKey=abc;IngestionEndpoint=https://in.example"]
)
def test_numbers_are_sent_by_a_whole_key_or_the_start_is_refused(value: str, tmp_path: Path) -> None:
    """What the library would stumble over is told before anything starts, and never repeated."""
    [line] = refusals(**served(tmp_path, APPLICATIONINSIGHTS=value))
    assert line.startswith("WHYSYNC_APPLICATIONINSIGHTS: a connection string with")
    assert "abc" not in line


@pytest.mark.parametrize("endpoint", ["https://", "http://in.example", "in.example"])
def test_numbers_are_sent_to_a_named_https_address(endpoint: str, tmp_path: Path) -> None:
    value = f"{KEYED};IngestionEndpoint={endpoint}"
    assert refusals(**served(tmp_path, APPLICATIONINSIGHTS=value))
    assert read(APPLICATIONINSIGHTS=f"{KEYED};IngestionEndpoint=https://in.example").applicationinsights


@pytest.mark.parametrize("url", ["https://", "http://help.example", "javascript:alert(1)"])
def test_people_are_sent_for_help_to_a_named_https_address(url: str, tmp_path: Path) -> None:
    assert refusals(**served(tmp_path, SUPPORT_URL=url)) == ["WHYSYNC_SUPPORT_URL: must be https"]
    assert read(SUPPORT_URL="https://help.example/x").support_url
