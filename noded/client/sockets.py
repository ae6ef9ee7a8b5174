"""Where a node's own socket is."""

import os
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = "api.sock"
"""The unix socket in a node's home; where it is follows from the home, so that nobody need ask."""

SOCKET_PATH_BYTES_MAX: Final = 100
"""The kernel takes 107; a longer path is bound and connected to by way of its folder's descriptor."""


def short_path(path: Path, folder: int) -> str:
    """A name for a socket in an open folder that the kernel takes, however long the path is."""
    whole = str(path)
    return (
        whole if len(os.fsencode(whole)) <= SOCKET_PATH_BYTES_MAX else f"/proc/self/fd/{folder}/{path.name}"
    )
