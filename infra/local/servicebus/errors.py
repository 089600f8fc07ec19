"""What the broker says no to; each refusal carries the condition that the wire has for it."""


class BrokerError(Exception):
    condition = "amqp:internal-error"


class MalformedError(BrokerError):
    """Bytes that are no AMQP 1.0."""

    condition = "amqp:decode-error"


class NoSuchQueueError(BrokerError):
    condition = "amqp:not-found"


class NotPermittedError(BrokerError):
    condition = "amqp:unauthorized-access"


class BadTokenError(NotPermittedError):
    """A token that was not signed with a key of ours, or is out of date."""


class NotOfferedError(BrokerError):
    """Service Bus can do it, this broker cannot."""

    condition = "amqp:not-implemented"


class LockLostError(BrokerError):
    condition = "com.microsoft:message-lock-lost"


class TooLargeError(BrokerError):
    condition = "amqp:link:message-size-exceeded"


class DetachedError(BrokerError):
    """The service closes idle links this way, and asks for a new attach."""

    condition = "amqp:link:detach-forced"
