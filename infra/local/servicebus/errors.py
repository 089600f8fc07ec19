"""What the broker says no to; each refusal carries the condition that the wire has for it."""


class BrokerError(Exception):
    condition = "amqp:internal-error"


class Malformed(BrokerError):
    """Bytes that are no AMQP 1.0."""

    condition = "amqp:decode-error"


class NoSuchQueue(BrokerError):
    condition = "amqp:not-found"


class NotPermitted(BrokerError):
    condition = "amqp:unauthorized-access"


class BadToken(NotPermitted):
    """A token that was not signed with a key of ours, or is out of date."""


class NotOffered(BrokerError):
    """Service Bus can do it, this broker cannot."""

    condition = "amqp:not-implemented"


class LockLost(BrokerError):
    condition = "com.microsoft:message-lock-lost"


class TooLarge(BrokerError):
    condition = "amqp:link:message-size-exceeded"


class Detached(BrokerError):
    """The service closes idle links this way, and asks for a new attach."""

    condition = "amqp:link:detach-forced"
