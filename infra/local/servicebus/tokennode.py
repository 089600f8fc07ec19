"""`$cbs`, the node to which a client brings its tokens before it may attach anywhere."""

from infra.local.servicebus.broker import Broker
from infra.local.servicebus.encoding import Int
from infra.local.servicebus.errors import BadTokenError
from infra.local.servicebus.message import APPLICATION, PROPERTIES, VALUE, Message, section
from infra.local.servicebus.tokens import Claim

NODE = "$cbs"
OK, UNAUTHORIZED = 200, 401


def take_token(broker: Broker, raw: bytes, claims: dict[str, Claim]) -> bytes | None:
    """Adds the claim, or not, and gives the reply to send. Raises MalformedError."""
    request = Message.parse(raw)
    if broker.faults.ignore_tokens:
        return None
    token = request.value()
    try:
        if broker.faults.refuse_tokens:
            raise BadTokenError("InvalidSignature: refused on demand.")
        claim = broker.claim(token if isinstance(token, str) else "")
    except BadTokenError as refusal:
        return _reply(request, UNAUTHORIZED, str(refusal))
    claims[claim.scope] = claim
    return _reply(request, OK, "OK")


def _reply(request: Message, status: int, description: str) -> bytes:
    properties = [None, None, None, None, None, request.message_id]
    said = {"status-code": Int(status), "status-description": description}
    return section(PROPERTIES, properties) + section(APPLICATION, said) + section(VALUE, None)
