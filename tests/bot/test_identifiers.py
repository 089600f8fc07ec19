"""Every way to name somebody is told by its shape, and no deceiving name is taken for an honest one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.identifiers import (
    DistinguishedName,
    Identifier,
    IdentifierKind,
    InvalidDn,
    Rdn,
    dn_at,
    identify,
    is_under,
    parse_dn,
)

K = IdentifierKind
GUID = "7f3c2b1e-90aa-4f2e-8c5d-1b2a3c4d5e6f"

RECOGNISED = {
    "jdoe": Identifier(K.ACCOUNT_NAME, "jdoe"),
    "mike.lee": Identifier(K.ACCOUNT_NAME, "mike.lee"),
    "svc_app$": Identifier(K.ACCOUNT_NAME, "svc_app$"),
    "o'brien": Identifier(K.ACCOUNT_NAME, "o'brien"),
    "CORP\\jdoe": Identifier(K.ACCOUNT_NAME, "jdoe", domain="CORP"),
    ".\\jdoe": Identifier(K.ACCOUNT_NAME, "jdoe"),
    "jane.roe@contoso.com": Identifier(K.UPN, "jane.roe@contoso.com"),
    "o'brien@contoso.com": Identifier(K.UPN, "o'brien@contoso.com"),
    "o’brien@contoso.com": Identifier(K.UPN, "o'brien@contoso.com"),
    "müller@contoso.de": Identifier(K.UPN, "müller@contoso.de"),
    "jane_mail.com#EXT#@contoso.onmicrosoft.com": Identifier(K.UPN, "jane_mail.com#EXT#@contoso.onmicrosoft.com"),
    "smtp:jane@contoso.com": Identifier(K.PROXY_ADDRESS, "smtp:jane@contoso.com"),
    "SMTP:jane@contoso.com": Identifier(K.PROXY_ADDRESS, "SMTP:jane@contoso.com"),
    GUID: Identifier(K.GUID, GUID),
    "{7F3C2B1E-90AA-4F2E-8C5D-1B2A3C4D5E6F}\n": Identifier(K.GUID, GUID),
    "7F3C2B1E90AA4F2E8C5D1B2A3C4D5E6F": Identifier(K.GUID, GUID),
    r"CN=Doe\, John,OU=HR,DC=corp,DC=local": Identifier(K.DN, r"CN=Doe\, John,OU=HR,DC=corp,DC=local"),
    "cn=Jane Roe,ou=Human Resources,dc=corp": Identifier(K.DN, "cn=Jane Roe,ou=Human Resources,dc=corp"),
    "HgkrfzzAb0ytwPhYD0wXBA==": Identifier(K.IMMUTABLE_ID, "HgkrfzzAb0ytwPhYD0wXBA=="),
    "s-1-5-21-1-2-3-1104": Identifier(K.SID, "S-1-5-21-1-2-3-1104"),
    "104233": Identifier(K.EMPLOYEE_ID, "104233"),
    '"Jane Doe"': Identifier(K.DISPLAY_NAME, "Jane Doe"),
    "“conference room 5”": Identifier(K.DISPLAY_NAME, "conference room 5"),
    '"jdoe"': Identifier(K.ACCOUNT_NAME, "jdoe"),
    "Jane Doe": Identifier(K.DISPLAY_NAME, "Jane Doe"),
    "Jürgen von Müller": None,  # not every word is capitalised: only in quotes
}

REFUSED = (
    "",
    "x",
    "*",
    "%",
    "123",
    "jane doe",
    "a@b",
    "jdoe@",
    "@contoso.com",
    "jane@contoso..com",
    "jane roe@contoso.com",
    "x' or startswith(userPrincipalName,'a') or 'x' eq '",
    "jdoe&$expand=*",
    "../../users",
    "%27%20or%201%20eq%201",
    "<img onerror>",
    "CN=",
    "CN=Doe,,DC=corp",
    "CN=Doe\\",
    "smtp:nothing",
    "7f3c2b1e-90aa-4f2e-8c5d-1b2a3c4d5e6g@",
    "AAAA==",
    "jdoe\x00",
    "\ud800jdoe",
    "a" * 2000,
)

DECEIVING = {
    "full-width letters": "ｊdoe@contoso.com",
    "a Cyrillic o": "jdоe@contoso.com",
    "a Greek omicron": "jdοe",
    "a whole word in look-alikes": "асе@contoso.com",
    "a bidi override around it": "\u202ejdoe\u202c",
    "a zero-width space within": "jd\u200boe@contoso.com",
    "a look-alike host": "jane@cоntoso.com",
}


@pytest.mark.parametrize(("text", "expected"), RECOGNISED.items(), ids=[repr(text) for text in RECOGNISED])
def test_an_identifier_is_told_by_its_shape(text: str, expected: Identifier | None) -> None:
    assert identify(text) == expected


@pytest.mark.parametrize("text", REFUSED, ids=[repr(text[:40]) for text in REFUSED])
def test_what_is_no_identifier_is_refused_whole(text: str) -> None:
    assert identify(text) is None


@pytest.mark.parametrize("text", DECEIVING.values(), ids=DECEIVING)
def test_a_deceiving_name_is_suspicious_and_never_folded_into_another(text: str) -> None:
    found = identify(text)

    assert found is not None
    assert found.suspicious
    assert found.text == text


def test_a_name_wholly_in_another_script_is_not_suspicious() -> None:
    found = identify("иван.петров@contoso.com")

    assert found == Identifier(K.UPN, "иван.петров@contoso.com")


def test_the_same_letters_in_another_composition_are_the_same_person() -> None:
    assert identify("mu\u0308ller@contoso.de") == Identifier(K.UPN, "müller@contoso.de")


@given(st.text())
def test_identifying_never_raises(text: str) -> None:
    found = identify(text)

    assert found is None or isinstance(found.kind, K)


def test_a_dn_is_split_at_unescaped_commas_only() -> None:
    assert parse_dn(r"CN=Doe\, John , OU = HR\2B\C3\BC+L=Brno,DC=corp") == DistinguishedName(
        (
            Rdn((("CN", "Doe, John"),)),
            Rdn((("OU", "HR+ü"), ("L", "Brno"))),
            Rdn((("DC", "corp"),)),
        )
    )


def test_the_parent_of_a_dn_is_the_dn_without_its_first_step() -> None:
    assert str(parse_dn(r"CN=Doe\, John,OU=HR,DC=corp").parent) == "OU=HR,DC=corp"


@pytest.mark.parametrize("text", ["", "jdoe", "CN=a,,DC=b", ",CN=a", "CN=a,", "CN=a\\", "=a", r"CN=\FF"])
def test_a_broken_dn_is_refused(text: str) -> None:
    with pytest.raises(InvalidDn):
        parse_dn(text)


_names = st.sampled_from(["CN", "OU", "DC", "uid", "2.5.4.3"])
_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_rdns = st.lists(st.tuples(_names, _values), min_size=1, max_size=2).map(lambda pairs: Rdn(tuple(pairs)))
_dns = st.lists(_rdns, min_size=1, max_size=4).map(lambda rdns: DistinguishedName(tuple(rdns)))


@given(_dns)
def test_a_written_dn_reads_back_as_the_same_dn(dn: DistinguishedName) -> None:
    assert parse_dn(str(dn)) == dn


UNDER = {
    "directly": (r"CN=Doe\, John,OU=HR,DC=corp,DC=local", "OU=HR,DC=corp,DC=local", True),
    "deep, in another case and spacing": ("cn=a,ou=x, OU=hr ,dc=CORP,dc=local", "OU=HR,DC=corp,DC=local", True),
    "the container itself": ("OU=HR,DC=corp", "ou=hr,dc=corp", True),
    "a longer name with the same end": ("CN=a,OU=NotHR,DC=corp", "OU=HR,DC=corp", False),
    "an escaped comma is no boundary": (r"CN=a\,OU=HR,DC=corp", "OU=HR,DC=corp", False),
    "another domain": ("CN=a,OU=HR,DC=corp2", "OU=HR,DC=corp", False),
    "above it": ("DC=corp", "OU=HR,DC=corp", False),
}


@pytest.mark.parametrize(("dn", "container", "expected"), UNDER.values(), ids=UNDER)
def test_being_under_a_container_goes_by_whole_steps(dn: str, container: str, expected: bool) -> None:
    assert is_under(dn, container) is expected


IN_TEXT = {
    r"CN=Doe\, John,OU=Human Resources,DC=corp,DC=local today": r"CN=Doe\, John,OU=Human Resources,DC=corp,DC=local",
    "OU=Finance aren't coming": "OU=Finance",
    "DC=corp,DC=local?": "DC=corp,DC=local",
    "jdoe": "",
    "COUNT=3": "",
}


@pytest.mark.parametrize(("text", "expected"), IN_TEXT.items())
def test_a_dn_in_running_text_ends_where_it_ends(text: str, expected: str) -> None:
    assert text[: dn_at(text, 0)] == expected
