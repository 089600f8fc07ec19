"""What Graph says when it refuses, in the shape it says it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ADVANCED = "ConsistencyLevel: eventual and $count=true"


@dataclass
class GraphError(Exception):
    """A call that ends in an OData error body; the border turns it into the reply."""

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)


def not_found(key: str) -> GraphError:
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.",
    )


def no_segment(segment: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{segment}'.")


def denied() -> GraphError:
    return GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def unauthenticated() -> GraphError:
    return GraphError(401, "InvalidAuthenticationToken", "Access token is missing, empty or not accepted.")


def unsupported(message: str) -> GraphError:
    return GraphError(400, "Request_UnsupportedQuery", message)


def needs_advanced(what: str) -> GraphError:
    return unsupported(f"{what} is only supported as an advanced query, with {ADVANCED}.")


def bad_request(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)


def throttled(seconds: int) -> GraphError:
    return GraphError(429, "TooManyRequests", "Please retry again later.", {"Retry-After": str(seconds)})


def body(refusal: GraphError, request_id: str, client_request_id: str, now: datetime) -> dict[str, Any]:
    inner = {
        "date": now.strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": client_request_id,
    }
    if refusal.status == 429:
        inner |= {"code": "429", "status": "429", "message": "Please retry after"}
    return {"error": {"code": refusal.code, "message": refusal.message, "innerError": inner}}
