"""Root works on a node's home, and what it makes there belongs to the node's user, who must read it at the next start."""

import os
import stat
from pathlib import Path
from typing import Final

LEFT_OUT: Final = ("records", "fetched")
"""Folders with very many files, which only the node itself writes."""


def give_back(home: Path) -> None:
    """
    Give files and folders of root's in a home to the home's owner; does nothing for anyone but root.

    A systemd unit with a user of its own corrects owners only where the home itself has another one. Links within the
    home are not followed, and files with several names are left alone.
    """
    if os.geteuid() != 0 or not home.is_dir():
        return
    owner = home.stat()
    if owner.st_uid == 0:
        return
    for _, folders, files, folder in os.fwalk(home.resolve()):  # Systemd makes the home a link.
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            is_ours = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
            if found.st_uid == 0 and is_ours:
                os.chown(name, owner.st_uid, owner.st_gid, dir_fd=folder, follow_symlinks=False)
