"""A real domain for the tests that look into a directory: making it takes seconds, so that a file shares one.

Its addresses are fixed, so that the files of two test workers take turns.
"""

from collections.abc import Iterator

import pytest
from samba_site import SambaSite, samba_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SambaSite]:
    """Skips, with the reason, where no domain can be had."""
    with samba_site(tmp_path_factory.mktemp("samba")) as made:
        yield made
