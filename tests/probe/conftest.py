"""One real domain for all tests that look into a directory: making it takes seconds, and its ports are fixed."""

from collections.abc import Iterator

import pytest
from samba_site import SambaSite, samba_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SambaSite]:
    """Skips, with the reason, where no domain can be had."""
    with samba_site(tmp_path_factory.mktemp("samba")) as made:
        yield made
