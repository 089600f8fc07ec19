"""Why the set-up could not make its managed account: what the domain lacks, by the words the set-up left behind."""

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.reading import number
from skills.facts.site import EventLog, Gmsa, Trace
from skills.rules.channel_state import told


@rule("gmsa-msa-container-missing", "Is there a container for managed accounts?", explains={"agent-install-partial"})
def container_missing(log: EventLog, trace: Trace | Missing) -> Finding | None:
    words = told(("0x80072030", "there is no such object on the server"), log, trace)
    if words is None or _orphaned(log, trace):
        return None
    return likely(
        "The container Managed Service Accounts is missing from the domain, so no gMSA can be made.",
        because=[words],
        fix=["Look for CN=Managed Service Accounts in the domain; if it is missing, run adprep /domainprep."],
    )


@rule(
    "gmsa-owko-orphan",
    "Does the domain's pointer to its managed accounts lead anywhere?",
    explains={"agent-install-partial", "gmsa-msa-container-missing"},
)
def pointer_orphaned(log: EventLog, trace: Trace | Missing) -> Finding | None:
    words = _orphaned(log, trace)
    if words is None:
        return None
    return proven(
        "The domain's pointer to the container of managed accounts leads to a deleted object.",
        because=[words],
        fix=["Have otherWellKnownObjects of the domain repaired, with Microsoft's directory services support."],
    )


def _orphaned(log: EventLog, trace: Trace | Missing) -> Because | None:
    return told(("1eb93889e40c45df9f0c64d23bbb6237", "otherwellknownobjects", "\\0adel:"), log, trace)


@rule("gmsa-name-clash-other-domain", "Is the gMSA's name free in the forest?", explains={"agent-install-partial"})
def name_clash(log: EventLog, trace: Trace | Missing) -> Finding | None:
    words = told(("unable to install service account",), log, trace)
    if words is None:
        return None
    return likely(
        "Another domain of the forest probably has a managed account with the same name.",
        because=[words],
        fix=["Search the global catalog for provAgentgMSA, and use a custom gMSA with another name."],
    )


@rule("gmsa-no-2012-dc", "Is the AD schema new enough for managed accounts?", explains={"agent-install-partial"})
def schema_too_old(gmsa: Gmsa) -> Finding | None:
    for seen in gmsa.on_agent_hosts():
        version = number(seen.value.extra, "schemaVersion")
        if version is not None and version < 52:
            return proven(
                "The Active Directory schema is older than Windows Server 2012, which managed accounts need.",
                because=[seen.record.saying(f"schema version {version}, needed 52")],
                fix=["Run adprep for Windows Server 2012 or later, and add such a domain controller."],
            )
    return None


GMSA_CREATION: tuple[Rule, ...] = (
    pointer_orphaned,
    container_missing,
    name_clash,
    schema_too_old,
)
