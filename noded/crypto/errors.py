"""What goes wrong with encryption; whose fault it is, only the caller knows."""

from noded.errors import NodedError


class Undecryptable(NodedError):
    """The key is another, or the context is, or the bytes were changed; which of them cannot be told."""


class UnusableKey(NodedError):
    """A key under which nothing may be encrypted: of a wrong length, with a known secret, or beyond the last one."""
