"""What all tests share: where the packages are found, and which files are left out of the quick part."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The packages are found before the folders of tests that bear their names (`tests/bot`, `tests/skills`).
sys.path.insert(0, str(HERE.parent))

UNHURRIED = {
    "test_conversations.py",
    "test_cli.py",
    "bot/test_activity_body.py",
    "bot/test_graph.py",
    "infra/test_demo.py",
    "infra/test_servicebus.py",
    "infra/test_servicebus_faults.py",
    "probe/test_probe_check.py",
    "probe/test_probe_tcp.py",
    "probe/test_probe_tls.py",
    "probe/test_probe_web_checks.py",
    "probe/test_probe_websocket.py",
    "relay/test_hostile_relay.py",
    "skills/test_collectors.py",
    "skills/test_facts.py",
    "skills/test_meant.py",
    "skills/test_resolve.py",
    "skills/test_views.py",
}
"""Files that start many servers or processes, or search at random: `make test` runs them, `make quick` does not."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).as_posix() in UNHURRIED:
            item.add_marker(pytest.mark.slow)
