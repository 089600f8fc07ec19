"""Which addresses name a store, who may open it, and keys made of texts that are none."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.store import Refused, Unavailable
from bot.store.keys import HASHED, checked_key, key_of
from bot.store.opening import EMULATOR_KEY, open_store
from bot.store.sqlite import SqliteStore
from bot.store.tables import TableStore


class Credential:
    """Gives no token: nobody is asked for one in these tests."""

    async def get_token(self, *scopes: str, **options: object) -> object:
        raise AssertionError("asked for a token")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "store.sqlite3",
        "sqlite:///",
        "sqlite:///folder/",
        "sqlite:///s.sqlite3?mode=memory",
        "sqlite://host/s.sqlite3",
        "postgres://127.0.0.1/x",
        "http://contoso.table.core.windows.net",
        "https://contoso.table.core.windows.net.evil.example",
        "https://evil.example/contoso.table.core.windows.net",
        "https://contoso.table.core.windows.net@evil.example",
        "https://contoso.table.core.windows.net:8443",
        "https://contoso.table.core.windows.net/a/b",
        "https://contoso.table.core.windows.net/?sv=2019&sig=x",
        "https://contoso.blob.core.windows.net",
        "http://10.0.0.7:10002/devstoreaccount1",
        "http://azurite:10002/devstoreaccount1",
        "http://127.0.0.1.evil.example:10002/devstoreaccount1",
        "http://user:word@127.0.0.1:10002/devstoreaccount1",
        "http://127.0.0.1/devstoreaccount1",
        "http://127.0.0.1:99999/devstoreaccount1",
        "http://127.0.0.1:10002",
        "http://127.0.0.1:10002/otheraccount",
        "http://127.0.0.1:10002/devstoreaccount1/ab",
        "http://127.0.0.1:10002/devstoreaccount1/a-b",
    ],
)
async def test_an_address_that_names_no_store_is_refused_and_the_forms_are_named(address: str) -> None:
    with pytest.raises(Refused, match="STORE is sqlite:///PATH"):
        async with open_store(address, Credential()):
            pass


async def test_an_account_in_azure_is_not_opened_without_an_identity() -> None:
    with pytest.raises(Refused, match="APP_CREDENTIAL"):
        async with open_store("https://contoso.table.core.windows.net"):
            pass


async def test_the_emulators_published_key_is_for_the_emulator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[TableStore] = []
    monkeypatch.setattr(TableStore, "_know", lambda self: opened.append(self) or _nothing())
    credential = Credential()
    async with open_store("https://contoso.table.core.windows.net", credential):
        pass
    async with open_store("http://127.0.0.1:1/devstoreaccount1", credential):
        pass
    azure, emulator = (store._client for store in opened)
    assert (azure.credential, azure.url) == (credential, "https://contoso.table.core.windows.net")
    assert emulator.credential.named_key == ("devstoreaccount1", EMULATOR_KEY)


async def _nothing() -> None:
    pass


async def test_a_path_is_relative_or_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address in ("sqlite:///near.sqlite3", f"sqlite:///{tmp_path}/far %20#é.sqlite3"):
        async with open_store(address) as store:
            assert isinstance(store, SqliteStore)
            assert await store.get("ns", "p", "k") is None
    assert names(tmp_path) == ["far %20#é.sqlite3", "near.sqlite3"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        async with open_store(f"sqlite:///{tmp_path}"):
            pass


# Keys


@given(st.text())
def test_every_text_has_a_key(text: str) -> None:
    assert checked_key(key_of(text)) == key_of(text)


@given(st.text(), st.text())
def test_different_texts_have_different_keys(one: str, other: str) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)


@pytest.mark.parametrize("text", ["a", "A", "a.b-c_9", "x" * 120, "19:abc"[:2]])
def test_a_text_that_is_a_key_stays_itself(text: str) -> None:
    assert key_of(text) == text


@pytest.mark.parametrize("text", ["", "a b", "19:abc@thread.tacv2", "a/b", "ä", "\ud800", "x" * 121, key_of("a b")])
def test_a_text_that_is_none_is_hashed_and_so_is_one_that_looks_hashed(text: str) -> None:
    assert re.fullmatch(re.escape(HASHED) + "[a-z2-7]{52}", key_of(text))
    assert key_of(text) != text
