"""The on-premises program: named checks on one server, and nothing else. It carries no package of the bot."""
