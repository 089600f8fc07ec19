"""The two ends of the probe channel, each a machine without I/O."""

from bot.relay.bot_session import BotSession
from bot.relay.probe_session import ProbeSession

__all__ = ["BotSession", "ProbeSession"]
