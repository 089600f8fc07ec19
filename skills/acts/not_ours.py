"""What the bot must not do itself, explained with the exact command: sync's own account, the guards on deletion."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bot.acts import Refused
from bot.answering import About, Answer, Ask, Command, Outcome
from bot.cards.elements import card
from bot.reach import Reach
from skills.phrases.acts import DELETE_GUARD, REPAIR_ACCOUNT
from skills.views.acts import refused

MODULE = r"Import-Module 'C:\Program Files\Microsoft Azure AD Connect Provisioning Agent\Utility\AADCloudSyncTools'"

NOT_OURS: Final[Mapping[str, Refused]] = MappingProxyType(
    {
        REPAIR_ACCOUNT.name: Refused(
            "I do not touch the account that sync signs in with: repairing it needs a Hybrid Identity Administrator in "
            "person, on the server of an agent.",
            (
                f"On an agent's server, in PowerShell: {MODULE}",
                "Sign in: Connect-AADCloudSyncTools",
                "Repair it: Repair-AADCloudSyncToolsAccount",
                "Then ask me: clear the quarantine",
            ),
        ),
        DELETE_GUARD.name: Refused(
            "I do not change the guards against mass deletion: they are there for the day when everybody is in a "
            "hurry. Held deletions are let through one list at a time instead, with two approvers.",
            (
                "To let through what one configuration holds, ask me: allow the deletes",
                "The configuration's own threshold: Entra admin center, Cloud Sync, the configuration, Properties, "
                "Accidental delete prevention.",
                f"The guard of the whole tenant, on an agent's server: {MODULE}",
                "Then: Disable-AADCloudSyncToolsDirSyncAccidentalDeletionPrevention -tenantId TENANT",
                "Switch it on again as soon as the deletions are through, in Microsoft Graph: PATCH "
                "/directory/onPremisesSynchronization/TENANT with the synchronizationPreventionType enabledForCount.",
            ),
        ),
    }
)


async def explained(ask: Ask, reach: Reach) -> Answer:  # noqa: ARG001  # a command's signature
    refusal = NOT_OURS[ask.intent]
    document = {"state": "refused", "headline": refusal.reason, "instead": list(refusal.instead)}
    return Answer(card(refused(refusal), refusal.reason), document, Outcome.ANSWERED)


not_ours = Command((REPAIR_ACCOUNT, DELETE_GUARD), About.TENANT, explained, typed=False)
