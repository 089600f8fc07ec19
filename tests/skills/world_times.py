"""Names, times and the shape of a change that all builders of evidence share."""

from datetime import UTC, datetime, timedelta

from bot.evidence import Fact, Missing

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TENANT = "0c1b2d3e-1111-4222-8333-444455556666"
DOMAIN = "corp.contoso.com"
PROBE = "SRV-SYNC01"
SERVICE_BUS = "his-eur1-neur1.servicebus.windows.net"
REGISTRATION = f"{TENANT}.registration.msappproxy.net"
LOGIN = "login.microsoftonline.com"
GMSA = "CORP\\provAgentgMSA$"
USER_GUID = "5f1d2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b"
USER_DN = "CN=Jane Doe,OU=Staff,DC=corp,DC=contoso,DC=com"
CONTROL_DN = "CN=WhySync Control,OU=Staff,DC=corp,DC=contoso,DC=com"
DIGICERT = "CN=DigiCert TLS RSA SHA256 2020 CA1, O=DigiCert Inc, C=US"
DIGICERT_ROOT = "CN=DigiCert Global Root CA, OU=www.digicert.com, O=DigiCert Inc, C=US"

Change = dict[type[Fact], Fact | Missing]


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def missing(*kinds: type[Fact], reason: str = "no probe answered") -> Change:
    return {kind: Missing(reason) for kind in kinds}
