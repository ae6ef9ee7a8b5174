"""Roots of the exception tree, split by whose fault it is; a bug of our own is an `AssertionError`."""


class NodedError(Exception):
    """Base of all exceptions expected in normal operation."""


class InvalidMessage(NodedError):
    """A peer sent something the protocol forbids; the node drops it and scores the peer."""


class InvalidTransaction(NodedError):
    """A transaction breaks a ledger rule; it is rejected and the state is unchanged."""


class ConfigError(NodedError):
    """The operator's configuration is wrong; the message names the key and the way out."""


class StorageError(NodedError):
    """The machine failed us (disk full, corrupt file); the node stops and does not vote on it."""


class UnsafeToSign(NodedError):
    """Signing would conflict with what this key signed before; refused (R1, R3)."""
