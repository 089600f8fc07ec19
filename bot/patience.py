"""How patient the one who asks is: who tests the network will wait for a long check, who asks why will not."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_PATIENT: ContextVar[bool] = ContextVar("patient", default=False)


def is_patient() -> bool:
    return _PATIENT.get()


@contextmanager
def patiently() -> Iterator[None]:
    """What is asked inside may take as long as it needs. Tasks begun inside take it with them."""
    token = _PATIENT.set(True)
    try:
        yield
    finally:
        _PATIENT.reset(token)
