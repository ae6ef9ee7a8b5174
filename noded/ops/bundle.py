"""
The debug bundle: what someone who helps needs to see of a node, in one file that holds no secret.

Everything in it is put there by name: settings, how the node stands, figures, the doctor's findings, sizes. No file of
the home is copied, and of the log only fields that are known (`log_lines.py`). So neither keys nor tokens nor
anything of a patient can be in it (O7).
"""

import io
import json
import os
import platform
import tarfile
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from noded import __version__
from noded.client.answers import NodeUnreachable, Refused
from noded.client.http import NodeClient
from noded.config import InvalidConfig, load
from noded.errors import NodedError
from noded.keys.keystore import list_keys
from noded.ops.database import figures
from noded.ops.doctor import examine
from noded.ops.log_lines import redact_line
from noded.storage.files import PRIVATE_MODE, os_errors

LOG_NAME: Final = "node.log"
LOG_LINES: Final = 5000
"""Half an hour of a node with trouble; 300 bytes each make 1.5 MB."""

LOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""Read from the end of a log."""

ANSWER_S: Final = 10.0

HOME_FILES_MAX: Final = 1000
"""Files of a home whose sizes are listed; records are counted, not listed."""

_ASKED: Final = {
    "status.json": "/v1/status",
    "peers.json": "/v1/peers",
    "readiness.json": "/readyz?verbose=1",
    "metrics.txt": "/metrics",
}


def make_bundle(
    home: Path, target: Path, environment: dict[str, str], *, now_s: int, log: Path | None = None
) -> dict[str, int]:
    """
    Write a bundle; the node may run.

    Args:
        home: Of the node.
        target: The file to write, a gzipped tar; for its owner only.
        environment: Of the process, whose settings count.
        now_s: The time.
        log: Where the node's log is; None for the home's own, if there is one.

    Returns:
        What is in it: sizes by name.

    Raises:
        StorageError: It cannot be written.
    """
    parts = _collect(home, environment, home / LOG_NAME if log is None else log)
    with os_errors(target):
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        try:
            with open(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
                for name, data in parts.items():
                    entry = tarfile.TarInfo(f"noded-debug/{name}")
                    entry.size, entry.mtime, entry.mode = len(data), now_s, PRIVATE_MODE
                    tar.addfile(entry, io.BytesIO(data))
        except BaseException:
            target.unlink()
            raise
    return {name: len(data) for name, data in parts.items()}


def _collect(home: Path, environment: dict[str, str], log: Path) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}

    def add(name: str, make: Callable[[], Any]) -> None:
        """One part; what goes wrong with it is told in its place, by class alone."""
        try:
            made = make()
        except (NodedError, OSError) as error:
            made = {"failed": type(error).__name__}
        parts[name] = (
            made if isinstance(made, bytes) else json.dumps(made, indent=1, default=str).encode() + b"\n"
        )

    add("versions.json", _versions)
    add("config.json", lambda: _settings(home, environment))
    add("doctor.json", lambda: [asdict(each) for each in examine(home, environment)])
    add("store.json", lambda: asdict(figures(home)))
    add("home.json", lambda: _listing(home))
    add("keys.json", lambda: _keys(home, environment))
    add("log.json", lambda: _log(log))
    try:
        with NodeClient.in_home(home, timeout_s=ANSWER_S) as node:
            for name, path in _ASKED.items():
                add(name, partial(node.get_bytes, path))
    except (NodeUnreachable, Refused):
        parts["status.json"] = b'{"failed": "NodeUnreachable"}\n'
    return parts


def _versions() -> dict[str, Any]:
    packages = {each.metadata["Name"]: each.version for each in distributions()}
    return {
        "noded": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }


def _settings(home: Path, environment: dict[str, str]) -> Any:
    """The settings in force; which source a passphrase has, but not where that is."""
    try:
        settings = load(home, environment).model_dump(mode="json")
    except InvalidConfig as error:
        return {"invalid": [problem.key for problem in error.problems]}
    source, _, _ = settings["node"]["passphrase"].partition(":")
    settings["node"]["passphrase"] = source
    return settings


def _keys(home: Path, environment: dict[str, str]) -> Any:
    config = load(home, environment)
    return [
        {"name": info.name, "algorithm": info.algorithm.value, "has_watermark": bool(info.watermarks)}
        for info in list_keys(config.path(config.node.keys))
    ]


def _listing(home: Path) -> Any:
    """Sizes and modes; records only as their number, since each file's name stands for a patient's document."""
    files: list[dict[str, object]] = []
    blobs, blob_bytes = 0, 0
    for folder, _, names in os.walk(home):
        for name in names:
            path = Path(folder) / name
            info = path.lstat()
            place = path.relative_to(home)
            if place.parts[0] in ("records", "fetched", "tickets"):
                blobs, blob_bytes = blobs + 1, blob_bytes + info.st_size
            elif len(files) < HOME_FILES_MAX:
                files.append(
                    {"name": str(place), "bytes": info.st_size, "mode": f"{info.st_mode & 0o7777:04o}"}
                )
    return {
        "files": sorted(files, key=lambda each: str(each["name"])),
        "blobs": blobs,
        "blob_bytes": blob_bytes,
    }


def _log(path: Path) -> Any:
    """The last events, redacted; how many lines were no events."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES_MAX))
        text = file.read(LOG_BYTES_MAX).decode("utf-8", "replace")
    lines = deque(text.splitlines(), LOG_LINES)
    events = [event for event in map(redact_line, lines) if event is not None]
    return {"left_out": len(lines) - len(events), "events": events}
