"""What of a scope is sent to the probes: names only, in commands that they take."""

from skills.collectors.places import MOST_COMMANDS, MOST_LETTERS, MOST_NAMES, commands, is_name

ROOT = "DC=corp,DC=contoso,DC=com"


def test_the_containers_of_a_small_scope_go_in_one_command() -> None:
    assert commands([f"OU=Staff,{ROOT}", f"CN=Doe\\, Group,{ROOT}", f"OU=Staff,{ROOT}"]) == (
        {"dns": f"OU=Staff,{ROOT}\nCN=Doe\\, Group,{ROOT}"},
    )


def test_a_large_scope_goes_in_several_commands_none_of_which_is_too_large() -> None:
    names = [f"OU=Department number {n},{ROOT}" for n in range(100)]
    sent = commands(names)
    assert 1 < len(sent) <= MOST_COMMANDS
    for args in sent:
        assert len(args["dns"]) <= MOST_LETTERS
        assert len(args["dns"].split("\n")) <= MOST_NAMES
    assert [name for args in sent for name in args["dns"].split("\n")] == names


def test_what_is_no_name_on_one_line_is_not_sent() -> None:
    others = [
        "0f0f0f0f-1111-4222-8333-444444444444",
        "Staff",
        "OU=a,,DC=b",
        f"OU=a\nOU=b,{ROOT}",
        f"OU={'x' * 2000},{ROOT}",
    ]
    assert not any(map(is_name, others))
    assert commands(others) == ()
