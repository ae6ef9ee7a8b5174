"""Command lines as their users give them, run in this process or in one of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from noded.cli.root import run

Captured = pytest.CaptureFixture[str]


def said(capsys: Captured, *arguments: object, code: int = 0) -> str:
    """What a command prints; it must end with this code."""
    capsys.readouterr()
    found = run([str(each) for each in arguments])
    captured = capsys.readouterr()
    assert found == code, f"{arguments} ended with {found}: {captured.err}"
    return captured.out


def told(capsys: Captured, *arguments: object, code: int = 0) -> Any:
    """The one JSON object on stdout."""
    text = said(capsys, *arguments, "--output", "json", code=code)
    assert text.count("\n") == 1, "stdout must be exactly one object"
    return json.loads(text)


def complaint(capsys: Captured, *arguments: object, code: int) -> str:
    """What a command that fails says on stderr; stdout stays empty."""
    capsys.readouterr()
    found = run([str(each) for each in arguments])
    captured = capsys.readouterr()
    assert found == code, f"{arguments} ended with {found}: {captured.err}"
    assert captured.out == ""
    return captured.err


def printed(folder: Path, command: str, *arguments: str) -> dict[str, Any]:
    """The one JSON object on stdout of a command that succeeds, run in a folder as a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "noded", command, *arguments, "--output", "json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert ended.stdout.count("\n") == 1, "stdout must be exactly one object"
    result = json.loads(ended.stdout)
    assert isinstance(result, dict)
    return result
