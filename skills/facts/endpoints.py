"""The hosts that the provisioning agent needs, per cloud: as Microsoft lists them, and the names that can be tested."""

from dataclasses import dataclass
from enum import StrEnum


class Cloud(StrEnum):
    WORLDWIDE = "worldwide"
    US_GOVERNMENT = "us-government"
    CHINA = "china"


class Role(StrEnum):
    SERVICE_BUS = "service-bus"
    REGISTRATION = "registration"
    SIGN_IN = "sign-in"
    SERVICE = "service"
    REVOCATION = "revocation"
    ROOTS = "roots"
    INSTALL = "install"
    TOOLS = "tools"
    LOCAL = "local"


class When(StrEnum):
    ALWAYS = "always"
    FIRST_START = "first start, renewal of root certificates"
    INSTALL = "installation, reconfiguration"
    TOOLS = "PowerShell module, this bot"


LISTENING = "listening channel: the cloud's requests to the agent"
REGISTERING = "registration, bootstrap, upload of answers"
SIGNING_IN = "tokens and sign-in"
SERVICE = "communication with the service"
CHECKING = "revocation of certificates"
ROOT_LIST = "list of trusted root certificates"
INSTALLING = "pages and services of the installation wizard"
GRAPH = "Microsoft Graph"


@dataclass(frozen=True, slots=True)
class Endpoint:
    pattern: str
    """As a firewall rule is written. A wildcard cannot be tested, and its bare parent is no host."""
    port: int
    role: Role
    purpose: str
    when: When = When.ALWAYS
    hosts: tuple[str, ...] = ()
    """Concrete names to test. Empty: each agent or tenant has its own."""
    path: str = "/"
    """What to ask for on port 80: a revocation list that is known to be there, else the root."""


def _revocation(host: str, path: str = "/") -> Endpoint:
    return Endpoint(host, 80, Role.REVOCATION, CHECKING, hosts=(host,), path=path)


def _roots(host: str) -> Endpoint:
    return Endpoint(host, 80, Role.ROOTS, ROOT_LIST, When.FIRST_START, (host,))


def _wizard(pattern: str, *hosts: str) -> Endpoint:
    return Endpoint(pattern, 443, Role.INSTALL, INSTALLING, When.INSTALL, hosts)


def _graph(host: str) -> Endpoint:
    return Endpoint(host, 443, Role.TOOLS, GRAPH, When.TOOLS, (host,))


def _sign_in(pattern: str, host: str) -> Endpoint:
    return Endpoint(pattern, 443, Role.SIGN_IN, SIGNING_IN, hosts=(host,))


def _own(pattern: str, role: Role, purpose: str) -> Endpoint:
    return Endpoint(pattern, 443, role, purpose)


_WIZARD_EVERYWHERE = (
    _wizard("*.microsoftonline-p.com", "secure.aadcdn.microsoftonline-p.com"),
    _wizard("*.msauth.net", "aadcdn.msauth.net"),
    _wizard("*.msftauth.net", "aadcdn.msftauth.net"),
    _wizard("*.msauthimages.net"),
    _wizard("*.msftauthimages.net"),
    _wizard("*.msecnd.net"),
    _wizard("*.phonefactor.net"),
    _wizard("enterpriseregistration.windows.net", "enterpriseregistration.windows.net"),
    _wizard("management.azure.com", "management.azure.com"),
    _wizard("policykeyservice.dc.ad.msft.net", "policykeyservice.dc.ad.msft.net"),
)

ENDPOINTS: dict[Cloud, tuple[Endpoint, ...]] = {
    Cloud.WORLDWIDE: (
        _own("*.servicebus.windows.net", Role.SERVICE_BUS, LISTENING),
        _own("*.msappproxy.net", Role.REGISTRATION, REGISTERING),
        _own("*.msappproxy.com", Role.REGISTRATION, REGISTERING),
        _sign_in("*.microsoftonline.com", "login.microsoftonline.com"),
        Endpoint("*.microsoft.com", 443, Role.SERVICE, SERVICE, hosts=("www.microsoft.com",)),
        Endpoint("*.windowsazure.com", 443, Role.SERVICE, SERVICE, hosts=("management.core.windowsazure.com",)),
        _revocation("mscrl.microsoft.com"),
        _revocation("crl.microsoft.com", "/pki/crl/products/microsoftrootcert.crl"),
        _revocation("ocsp.msocsp.com"),
        _revocation("oneocsp.microsoft.com"),
        _revocation("crl3.digicert.com", "/DigiCertGlobalRootG2.crl"),
        _revocation("crl4.digicert.com", "/DigiCertGlobalRootG2.crl"),
        _revocation("ocsp.digicert.com"),
        _revocation("www.microsoft.com"),
        _roots("ctldl.windowsupdate.com"),
        _wizard("login.windows.net", "login.windows.net"),
        *_WIZARD_EVERYWHERE,
        _graph("graph.microsoft.com"),
    ),
    Cloud.US_GOVERNMENT: (
        _own("*.servicebus.usgovcloudapi.net", Role.SERVICE_BUS, LISTENING),
        _own("*.msappproxy.us", Role.REGISTRATION, REGISTERING),
        _sign_in("*.microsoftonline.us", "login.microsoftonline.us"),
        _revocation("mscrl.microsoft.us"),
        _revocation("crl.microsoft.us"),
        _revocation("ocsp.msocsp.us"),
        _revocation("www.microsoft.us"),
        _roots("ctldl.windowsupdate.us"),
        _wizard("login.windows.us", "login.windows.us"),
        _wizard("*.microsoftonline-p.us"),
        _wizard("aadcdn.msftauthimages.us", "aadcdn.msftauthimages.us"),
        _wizard("*.microsoft.us"),
        *_WIZARD_EVERYWHERE,
        _graph("graph.microsoft.us"),
    ),
    Cloud.CHINA: (),
}
"""Nobody publishes a list for the agent in China; a guessed host that fails would prove nothing, so none is guessed."""

REGISTRATION_DOMAINS = {Cloud.WORLDWIDE: "msappproxy.net", Cloud.US_GOVERNMENT: "msappproxy.us"}
STAND_INS = {
    Cloud.WORLDWIDE: ("his-eur1-neur1.servicebus.windows.net", "his-eur1-weur1.servicebus.windows.net"),
}
"""Namespaces of the agent's service that are known to exist."""


def covering(host: str, port: int, cloud: Cloud = Cloud.WORLDWIDE) -> Endpoint | None:
    """The line of Microsoft's list that a concrete host falls under: the most exact one."""
    name = host.strip().rstrip(".").lower()
    fits = [each for each in ENDPOINTS[cloud] if each.port == port and _covers(each.pattern, name)]
    return max(fits, key=lambda each: len(each.pattern), default=None)


def _covers(pattern: str, name: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def cloud_of(host: str) -> Cloud:
    """By the ending of one of the agent's own hosts."""
    name = host.strip().rstrip(".").lower()
    if name.endswith((".usgovcloudapi.net", ".msappproxy.us", ".microsoftonline.us", ".windows.us")):
        return Cloud.US_GOVERNMENT
    return Cloud.CHINA if name.endswith((".chinacloudapi.cn", ".msappproxy.cn")) else Cloud.WORLDWIDE
