"""
Writes requirements.lock here: what a node needs, out of the lock of the whole project, versions and hashes as there.

`python configs/lock.py` in an environment with everything installed; with `--check` it only compares. What the project
itself needs is read from pyproject.toml: an editable installation may be older than that.
"""

import re
import sys
import tomllib
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


def needed(project: list[str]) -> dict[str, None]:
    """All packages that these requirements name, and what those need by their metadata."""
    found: dict[str, None] = {}
    waiting: list[tuple[list[str], frozenset[str]]] = [(project, frozenset())]
    seen: dict[tuple[str, frozenset[str]], None] = {}
    while waiting:
        texts, extras = waiting.pop()
        for requirement in map(Requirement, texts):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *sorted(extras))):
                name = canonicalize_name(requirement.name)
                found[name] = None
                one = (name, frozenset(requirement.extras))
                if one not in seen:
                    seen[one] = None
                    waiting.append((requires(name) or [], one[1]))
    return found


def main() -> int:
    """Write the lock, or compare it."""
    locked = entries()
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    text = HEAD + "".join(locked[name] for name in sorted(needed(project["dependencies"])))
    if "--check" in sys.argv:
        if not OWN.exists() or OWN.read_text("utf-8") != text:
            print(f"{OWN.name} is not what lock.py writes")
            return 1
    else:
        OWN.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
