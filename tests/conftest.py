"""What all tests share: where the packages are found, and which files are left out of the quick part."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
# The packages are found before the folders of tests that bear their names (`tests/bot`, `tests/skills`).
sys.path.insert(0, str(HERE.parent))

# How long an example takes says something about the machine, which is shared, and nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

UNHURRIED = {
    "acts/test_kills.py",
    "acts/test_races.py",
    "bot/test_act_approvers.py",
    "bot/test_activity_body.py",
    "bot/test_approval_machine.py",
    "bot/test_approvals.py",
    "bot/test_approving.py",
    "bot/test_audit.py",
    "bot/test_audit_chain.py",
    "bot/test_breadth.py",
    "bot/test_deciding.py",
    "bot/test_doctor.py",
    "bot/test_execution.py",
    "bot/test_graph.py",
    "bot/test_manifest.py",
    "bot/test_manifest_icons.py",
    "bot/test_monitoring.py",
    "bot/test_observability.py",
    "bot/test_policy.py",
    "bot/test_small_loads.py",
    "bot/test_thrift.py",
    "infra/test_audit_of_probes.py",
    "infra/test_demo.py",
    "infra/test_firewall.py",
    "infra/test_run_now_is_evidence.py",
    "infra/test_servicebus.py",
    "infra/test_servicebus_faults.py",
    "probe/test_probe_check.py",
    "probe/test_probe_directory.py",
    "probe/test_probe_directory_rights.py",
    "probe/test_probe_directory_ways.py",
    "probe/test_probe_enrolling.py",
    "probe/test_probe_install.py",
    "probe/test_probe_policy.py",
    "probe/test_probe_powershell.py",
    "probe/test_probe_process.py",
    "probe/test_probe_service.py",
    "probe/test_probe_tcp.py",
    "probe/test_probe_tls.py",
    "probe/test_probe_web_checks.py",
    "probe/test_probe_websocket.py",
    "probe/test_probe_windows.py",
    "relay/test_exchange.py",
    "relay/test_fallback.py",
    "relay/test_hostile_relay.py",
    "relay/test_long_questions.py",
    "relay/test_probe_faults.py",
    "relay/test_proven_link.py",
    "relay/test_servicebus_address.py",
    "relay/test_servicebus_link.py",
    "relay/test_servicebus_upkeep.py",
    "relay/test_shared_probes.py",
    "relay/test_signing_key.py",
    "relay/test_witness.py",
    "skills/test_acts_cards.py",
    "skills/test_acts_deletes.py",
    "skills/test_acts_guides.py",
    "skills/test_acts_jobs.py",
    "skills/test_acts_restore.py",
    "skills/test_acts_run_now.py",
    "skills/test_acts_wire.py",
    "skills/test_collectors.py",
    "skills/test_facts.py",
    "skills/test_meant.py",
    "skills/test_network_questions.py",
    "skills/test_network_views.py",
    "skills/test_probe_commands.py",
    "skills/test_resolve.py",
    "skills/test_rules_half_seen.py",
    "skills/test_rules_real_probes.py",
    "skills/test_rules_site_gaps.py",
    "skills/test_selftest.py",
    "skills/test_unsearched.py",
    "skills/test_views.py",
    "store/test_azurite.py",
    "store/test_store_contract.py",
    "store/test_store_sqlite.py",
    "store/test_store_tables.py",
    "test_cli.py",
    "test_conversations.py",
    "test_doctor_command.py",
    "test_next_steps.py",
    "test_serve.py",
    "test_two_instances.py",
}
"""Files that start many servers or processes, or search at random: `make test` runs them, `make quick` does not."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).as_posix() in UNHURRIED:
            item.add_marker(pytest.mark.slow)
