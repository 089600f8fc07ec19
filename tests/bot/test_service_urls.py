"""Rule 3: which addresses our own token may be sent to."""

import pytest

from bot.inbound import (
    ServiceUrls,
)

JSON = {"Content-Type": "application/json"}
SMBA = "https://smba.trafficmanager.net/emea/"


@pytest.mark.parametrize(
    "url",
    [
        "http://smba.trafficmanager.net/emea/",
        "https://evil.example/",
        "https://smba.trafficmanager.net@evil.example/",
        "https://user:pass@smba.trafficmanager.net/",
        "https://smba.trafficmanager.net.evil.example/",
        "https://evilsmba.trafficmanager.net/",
        "https://botframework.com/",
        "https://evilbotframework.com/",
        "https://smba.trafficmanager.net./emea/",
        "https://smba.trafficmanager.net:8443/",
        "https://smba.trafficmanager.net:99999/",
        "https://smba.trafficmanager.net\\@evil.example/",
        "https://smba.trafficmanager.net/../x",
        "https://smba.trafficmanager.net/?a=b",
        "https://smba.trafficmanager.net/#x",
        "https://smba.trafficmanager.net/\n",
        " https://smba.trafficmanager.net/",
        "//smba.trafficmanager.net/",
        "https:smba.trafficmanager.net/",
        "https://[smba.trafficmanager.net]/",
        "https://ѕmba.trafficmanager.net/",
        "http://127.0.0.1:3978/",
        "https://127.0.0.1/",
        "https://169.254.169.254/",
        "https://smba.trafficmanager.net/" + "x" * 3000,
        None,
        7,
    ],
)
def test_an_address_that_only_looks_right_is_not_allowed(url: object) -> None:
    assert not ServiceUrls().allow(url)


@pytest.mark.parametrize(
    "url",
    [
        SMBA,
        "https://smba.trafficmanager.net:443/de/",
        "https://SMBA.trafficmanager.net",
        "https://europe.botframework.com/",
    ],
)
def test_the_connectors_own_addresses_are_allowed(url: str) -> None:
    assert ServiceUrls().allow(url)


def test_loopback_is_an_address_only_in_development() -> None:
    assert ServiceUrls(local=True).allow("http://127.0.0.1:3978/emea/")
    assert ServiceUrls(local=True).allow("http://[::1]:3978/")
    assert not ServiceUrls(local=True).allow("http://smba.trafficmanager.net/")
    assert not ServiceUrls(local=True).allow("http://192.168.0.1/")
