"""
Writes requirements.lock here: what a node needs, out of the lock of the whole project, versions and hashes as there.

`python configs/lock.py` in an environment with everything installed; with `--check` it only compares.
"""

import re
import sys
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
WHOLE = HERE.parent / "requirements.lock"
OWN = HERE / "requirements.lock"
HEAD = "# Written by configs/lock.py: what a node needs, out of the lock of the whole project.\n"


def entries() -> dict[str, str]:
    """The lock's entries by package, each with its hashes and without its comments."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in WHOLE.read_text("utf-8").splitlines():
        start = re.match(r"([\w.\-]+)(?:\[[\w,\-]*\])?==", line)
        if start is not None:
            lines = found[canonicalize_name(start[1])] = []
        if not line.strip().startswith("#"):
            lines.append(line)
    return {name: "\n".join(text).rstrip() + "\n" for name, text in found.items()}


def needed(package: str, extras: frozenset[str] = frozenset()) -> dict[str, None]:
    """All packages that one needs, by its metadata and that of what it needs."""
    found: dict[str, None] = {}
    waiting = [(package, extras)]
    seen: dict[tuple[str, frozenset[str]], None] = {}
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen[one] = None
        for text in requires(one[0]) or ():
            requirement = Requirement(text)
            wanted = ("", *sorted(one[1]))
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in wanted
            ):
                name = canonicalize_name(requirement.name)
                found[name] = None
                waiting.append((name, frozenset(requirement.extras)))
    return found


def main() -> int:
    """Write the lock, or compare it."""
    locked = entries()
    text = HEAD + "".join(locked[name] for name in sorted(needed("noded")))
    if "--check" in sys.argv:
        if not OWN.exists() or OWN.read_text("utf-8") != text:
            print(f"{OWN.name} is not what lock.py writes")
            return 1
    else:
        OWN.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
