"""Alerts: each looks for what the code really says, and whatever is to wake somebody has one."""

import logging
import re

from azure_world import FULL, ROOT, of_type, the_app
from bicep_deployment import Made

from bot.telemetry import ALLOWED, line_of


def queries() -> dict[str, str]:
    return {
        made.name: made.body["properties"]["criteria"]["allOf"][0]["query"]
        for made in of_type("Microsoft.Insights/scheduledQueryRules")
    }


def logged() -> set[str]:
    """The first words of every log line in the code, whole."""
    sources = (path.read_text() for room in ("bot", "skills") for path in (ROOT / room).rglob("*.py"))
    return {event for source in sources for event in LINE.findall(source)}


LINE = re.compile(r'\blog\.(?:info|warning|error|exception)\(\s*"([^":]+)')


def test_alerts_look_for_events_that_the_code_logs() -> None:
    named = {event for query in queries().values() for event in re.findall(r'line\.event\) == "([^"]+)"', query)}
    assert named
    assert named <= logged()


def test_whatever_is_to_wake_somebody_has_an_alert() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    table = page.partition("## What wakes somebody")[2].partition("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    events = {re.findall(r"`([^`]+)`", row.split("|")[2])[0] for row in rows}
    alerted = {event for query in queries().values() for event in re.findall(r'line\.event\) == "([^"]+)"', query)}
    assert len(events) >= 6
    assert events <= alerted


def test_alerts_read_fields_that_a_line_has() -> None:
    line = line_of(logging.LogRecord("whysync", logging.INFO, "", 0, "an event", None, None))
    used = {name for query in queries().values() for name in re.findall(r"\bline\.(\w+)", query)}
    assert used <= ALLOWED | set(line)


def test_alerts_look_at_this_bot_alone() -> None:
    for query in queries().values():
        assert query.count("ContainerAppConsoleLogs") == query.count('ContainerAppName == "whysync"')


def test_somebody_hears_of_every_alert() -> None:
    (group,) = of_type("Microsoft.Insights/actionGroups")
    assert group.body["properties"]["emailReceivers"][0]["emailAddress"] == FULL["alertMail"]
    for made in of_type("Microsoft.Insights/scheduledQueryRules"):
        assert made.body["properties"]["actions"]["actionGroups"] == [group.id]
    for made in of_type("Microsoft.Insights/metricAlerts"):
        assert [action["actionGroupId"] for action in made.body["properties"]["actions"]] == [group.id]


def test_a_group_that_is_there_already_hears_as_well() -> None:
    made = of_type("Microsoft.Insights/scheduledQueryRules", actionGroupIds=["/theirs"], alertMail="")
    assert made[0].body["properties"]["actions"]["actionGroups"] == ["/theirs"]


def test_missing_instances_and_restarts_are_seen_by_numbers() -> None:
    found = {made.body["properties"]["criteria"]["allOf"][0]["metricName"] for made in _counts()}
    assert {"Replicas", "RestartCount"} <= found
    (few,) = (made for made in _counts() if made.name.endswith("too-few"))
    assert few.body["properties"]["criteria"]["allOf"][0]["threshold"] == the_app()["template"]["scale"]["minReplicas"]


def _counts() -> list[Made]:
    return of_type("Microsoft.Insights/metricAlerts")


def test_no_alert_calls_itself_resolved_because_a_line_has_grown_old() -> None:
    """Each line is said once; what it tells of goes on until somebody mends it."""
    for made in of_type("Microsoft.Insights/scheduledQueryRules"):
        assert made.body["properties"]["autoMitigate"] is False
        assert made.body["properties"]["muteActionsDuration"] == "PT1H", "else each look at the same line is a mail"
