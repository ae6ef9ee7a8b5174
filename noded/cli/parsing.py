"""What people write on the command line, as the ledger has it."""

from collections.abc import Sequence

import click

from noded.types.medical import ID_BYTES


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` each; the last one of a name counts."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text!r} is not NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def hexadecimal(text: str, what: str, *, size: int = ID_BYTES) -> bytes:
    """Bytes of a known number, such as an id."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != size:
        raise click.UsageError(f"{what} has {2 * size} hexadecimal digits, not {text!r}")
    return data
