"""Words that many phrases share, names that people have for attributes and codes, and words of trouble."""

from bot.intents import Defaults
from bot.sentences import stem

IN = "(in|into|to|with) (entra|cloud|azure|office|m365|o365|365|tenant|aad|teams)"
NOT_THERE = (
    "(not|never|no|no longer) (sync|synchronise|synchronize|showing|show up|appear|visible|found|arriving|arrive"
    "|come|came|coming|provisioned|provision|replicate|link|merge|join|through|there)"
)
GONE = "(vanished|disappeared|deleted|removed|gone|lost)"
ONE = "(user|account|object|person|identity)"
MANY = "(=users|=accounts|=objects|people|everyone|everybody|anyone|anybody|starters|hires)"
USERS = "(user|account|people|object|person|identity)"
NEWCOMER = "(starter|hire|joiner|employee|colleague|user|account|person|contractor|student)"
SYNC = "(sync|synchronisation|synchronization|provisioning)"
POD = "(pod|provision on demand|on demand)"
RUN = "(sync|synchronisation|synchronization|provisioning|cycle)"

ATTRIBUTES = {
    "department": "department",
    "manager": "manager",
    "job title": "title",
    "title": "title",
    "mobile": "mobile",
    "mobile number": "mobile",
    "mobile phone": "mobile",
    "cell phone": "mobile",
    "phone": "telephoneNumber",
    "phone number": "telephoneNumber",
    "telephone number": "telephoneNumber",
    "office location": "physicalDeliveryOfficeName",
    "company name": "company",
    "display name": "displayName",
    "given name": "givenName",
    "first name": "givenName",
    "last name": "sn",
    "surname": "sn",
    "new name": "displayName",
    "email address": "mail",
    "mail address": "mail",
    "mail": "mail",
    "email": "mail",
    "upn": "userPrincipalName",
    "onmicrosoft.com": "userPrincipalName",
    "onmicrosoft": "userPrincipalName",
    "user principal name": "userPrincipalName",
    "sign-in name": "userPrincipalName",
    "proxy address": "proxyAddresses",
    "alias": "proxyAddresses",
    "smtp address": "proxyAddresses",
    "employee id": "employeeID",
    "usage location": "usageLocation",
    "extension attribute": "extensionAttribute",
    "photo": "thumbnailPhoto",
    "street address": "streetAddress",
    "city": "l",
    "country": "c",
}
CODES = {  # said in words, or of two parts only, so that their shape does not give them away
    "skipped": "skipped",
    "redundant export": "RedundantExport",
    "attribute value must be unique": "AttributeValueMustBeUnique",
    "quarantine on demand": "QuarantineOnDemand",
    "insufficient rights": "InsufficientRights",
    "invalid hard match": "InvalidHardMatch",
    "invalid soft match": "InvalidSoftMatch",
    "gateway timeout": "GatewayTimeout",
    **{
        code: code
        for code in (
            "GatewayTimeout",
            "TimeOut",
            "ConnectorTimeout",
            "EntryConflict",
            "PropertyConflict",
            "ImportSkipped",
            "InvalidAnchor",
            "InvalidDomain",
            "LargeObject",
            "MissingValues",
            "SchemaInvalid",
            "RedundantExport",
            "InsufficientRights",
            "UnprocessableEntity",
            "NotPermitted",
            "NotImplemented",
            "StagedDelete",
            "Unauthorized",
        )
    },
}
NAMES = {"attr": ATTRIBUTES, "code": CODES}

TROUBLE = """
again fix repair solve
but except excluded however jumps reverts disagrees differs
not no never none nothing nobody nowhere neither cannot without missing absent lost gone vanished disappeared deleted
removed fail failed failing failure error errors problem problems issue issues trouble wrong broken break breaks broke
stuck hang hangs hanging stopped stops dead down off pending waiting waits wait late slow delayed delay stale old
outdated refused refuses rejected rejects denied blocked locked disabled skipped ignored quarantine quarantined
conflict conflicts clash clashes duplicate duplicates twice flipping flips keeps still why reason cause unsynced
unable incomplete inactive offline paused unhealthy timeout timeouts empty mismatch zero affected suffering worried
complaining complains
"""
SHARED = """
agent agents job jobs config configs configuration configurations sync synchronisation synchronization provisioning
cycle cycles quarantine users accounts people leavers starters joiners hires newcomers students teachers employees
colleagues staff folks groups interns trainees guests externals contractors tenant connector
"""
ALL = "nobody everybody everyone everything nothing noone"
DEFAULTS = Defaults(
    somebody="why_user",
    everybody="mass_problem",
    trouble=frozenset(stem(word) for word in TROUBLE.split()),
    shared=frozenset(SHARED.split()),
    all=frozenset(ALL.split()),
)
