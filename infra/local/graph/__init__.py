"""A tenant speaking Graph's wire, from a case file, for tests, replay and the demo."""

from infra.local.graph.faults import Fault, Faults
from infra.local.graph.server import Asked, GraphServer
from infra.local.graph.state import Habits, Write

__all__ = ["Asked", "Fault", "Faults", "GraphServer", "Habits", "Write"]
