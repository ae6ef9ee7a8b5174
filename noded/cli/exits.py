"""Exit codes: whose fault an error is, as a script sees it."""

from typing import Final

from noded.errors import ConfigError, NodedError, UnsafeToSign

FAILED: Final = 1
USAGE: Final = 2
"""Given by click."""
CONFIG_INVALID: Final = 3
UNREACHABLE: Final = 4
UNSAFE: Final = 5


class Refused(NodedError):
    """The command would destroy something, or make a key sign twice; it was not carried out."""


class CommandFailed(NodedError):
    """What the command was asked to do did not come about; the message says why and what to do."""


def exit_code(error: NodedError) -> int:
    """The exit code for an expected error."""
    if isinstance(error, (Refused, UnsafeToSign)) or type(error).__name__ in _UNSAFE:
        return UNSAFE
    if type(error).__name__ in _UNREACHABLE:
        return UNREACHABLE
    return CONFIG_INVALID if isinstance(error, ConfigError) else FAILED


_UNSAFE: Final = frozenset(
    {"HomeExists", "HomeLocked", "KeyExists", "KeystoreExists"}
    | {"SchemaTooNew", "SchemaTooOld", "StoreCorrupt", "WalCorrupt", "WalForeign"}
)
_UNREACHABLE: Final = frozenset({"NodeUnreachable"})
"""By name: importing these errors' modules would cost every command the time."""
