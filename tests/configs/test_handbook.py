"""The handbook's command lines are ones that the program takes."""

import re
import shlex
from pathlib import Path

import click
import pytest

from noded.cli.root import noded

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "configs" / "README.md")


def _lines(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += re.findall(r"`(noded [^`]+)`", prose)
    return [line for line in lines if re.match(r"(\S*/)?noded ", line)]


LINES = [(path.parent.name or "top", line) for path in READMES for line in _lines(path)]


def test_there_are_some() -> None:
    assert len(LINES) > 40


@pytest.mark.parametrize(("where", "line"), LINES, ids=[line for _, line in LINES])
def test_a_command_line_is_taken(where: str, line: str) -> None:
    words = shlex.split(line.split("&&")[0], comments=True)[1:]
    command: click.Command = noded
    context = click.Context(noded)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0]) if words else None
        if found is None:
            assert not words or words[0].startswith("-"), f"{where}: there is no {words[0]!r} in {line!r}"
            return
        command, words = found, words[1:]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert options <= known | {"--help"}, f"{where}: {line!r}"
    assert len(words) == 0 or command.params
