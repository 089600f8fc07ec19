"""Words that many phrases share, and names that people have for attributes and codes."""

IN = "(in|into|to|with) (entra|cloud|azure|office|m365|o365|365|tenant|aad|teams)"
NOT_THERE = (
    "(not|never|no|no longer) (sync|synchronise|synchronize|showing|show up|appear|visible|found|arriving|arrive"
    "|come|coming|provisioned|provision|replicate)"
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
