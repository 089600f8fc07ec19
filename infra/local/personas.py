"""Who can be played on the chat page, and what Teams would call them, the bot and the places they meet in."""

from dataclasses import dataclass
from enum import StrEnum

from infra.local.tenant import ALEX_ADMIN, HEIDI_HELPDESK, JANE_DOE, SAM_SECOND

BOT = "28:whysync"
BOT_NAME = "WhySync"
TEAM = "19:identityteam@thread.tacv2"
CHANNEL = "19:helpline@thread.tacv2"
CHANNEL_NAME = "Identity team"


class Scene(StrEnum):
    """Where somebody speaks: before everybody, or alone with the bot."""

    CHANNEL = "channel"
    PERSONAL = "personal"


@dataclass(frozen=True)
class Persona:
    key: str
    object_id: str
    name: str
    role: str

    @property
    def account(self) -> str:
        return f"29:{self.key}"

    @property
    def personal_chat(self) -> str:
        return f"a:whysync-{self.key}"


PERSONAS = {
    persona.key: persona
    for persona in (
        Persona("admin", ALEX_ADMIN, "Alex Admin", "admin"),
        Persona("second", SAM_SECOND, "Sam Second", "second admin"),
        Persona("helpdesk", HEIDI_HELPDESK, "Heidi Helpdesk", "helpdesk"),
        Persona("jdoe", JANE_DOE, "Jane Doe", "user jdoe"),
    )
}
