"""The founding document: put together from founders' particulars, and kept as a file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from noded.codec.errors import Malformed
from noded.codec.json_form import from_json, to_json
from noded.codec.schema import decode_value, encode_value
from noded.errors import ConfigError
from noded.ledger.epoch import founding_table
from noded.ledger.genesis import check_genesis
from noded.ledger.reputation import POWER_FLOOR
from noded.types.genesis import (
    DEFAULT_PARAMETERS,
    GENESIS_BYTES_MAX,
    FoundingValidator,
    Genesis,
    Institution,
    NetworkParameters,
)
from noded.types.ids import TimestampMs, VotingPower

FOUNDING_POWER: Final = VotingPower(1000)
"""Of every founder: the founders begin as equals."""

JSON_BYTES_MAX: Final = 4 * GENESIS_BYTES_MAX
"""The JSON form of the largest document: hexadecimal digits and names of members."""


class BadGenesis(ConfigError):
    """A file is no founding document, or one that contradicts itself."""

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = Path(path)


def make_genesis(
    name: str,
    institutions: Sequence[Institution],
    *,
    time_ms: TimestampMs,
    parameters: NetworkParameters = DEFAULT_PARAMETERS,
) -> Genesis:
    """
    The document by which these founders begin a chain, all of them voters of equal power.

    Raises:
        InvalidGenesis: Two founders share a key, or the parameters do not fit their number.
    """
    ordered = tuple(sorted(institutions, key=lambda institution: institution.id))
    genesis = Genesis(
        name=name,
        time_ms=time_ms,
        parameters=parameters,
        institutions=ordered,
        validators=tuple(FoundingValidator(id=each.id, power=FOUNDING_POWER) for each in ordered),
    )
    check_genesis(genesis)
    return genesis


def doubts(genesis: Genesis) -> list[str]:
    """What founders should know before they agree on a document that contradicts nothing."""
    named = {institution.id: institution for institution in genesis.institutions}
    found = [
        f"{named[each.id].legal_name} begins with power {each.power}: less than the {POWER_FLOOR} of a member in good"
        " standing, towards which it moves by a 32nd an epoch (L126, L127)"
        for each in genesis.validators
        if each.power < POWER_FLOOR
    ]
    table = founding_table(genesis).validators
    total = sum(row.power for row in table)
    held: dict[str, int] = {}
    for row in table:
        held[named[row.id].owner] = held.get(named[row.id].owner, 0) + row.power
    found += [
        f"the members of owner {owner} hold {power} of the power of {total}, a third or more: no cap keeps an owner below"
        " that while there are fewer than four (L128)"
        for owner, power in held.items()
        if owner and 3 * power >= total
    ]
    return found


def with_parameters(parameters: NetworkParameters, changes: Mapping[str, str]) -> NetworkParameters:
    """
    Parameters with some of them set from texts such as ``delta_ms`` to ``200``.

    Raises:
        BadGenesis: There is no such parameter, or the text is none of its values.
    """
    data = to_json(parameters)
    for name, text in changes.items():
        if name not in data:
            raise BadGenesis("parameters", f"there is no {name}; known are {', '.join(data)}")
        data[name] = text if isinstance(data[name], str) else _number(name, text)
    try:
        return from_json(NetworkParameters, data, "parameters")
    except Malformed as error:
        raise BadGenesis("parameters", str(error)) from error


def read_genesis(path: Path) -> Genesis:
    """
    The founding document in a file, in its encoding or its JSON form.

    Raises:
        BadGenesis: It is missing, or no document.
        InvalidGenesis: It contradicts itself.
    """
    try:
        with path.open("rb") as file:
            data = file.read(JSON_BYTES_MAX + 1)
    except OSError as error:
        raise BadGenesis(path, f"{error.strerror}; copy the consortium's genesis file there") from error
    try:
        if data.lstrip()[:1] == b"{":
            fields = json.loads(data[:JSON_BYTES_MAX])
            fields.pop("chain_id", None)
            genesis = from_json(Genesis, fields, "genesis")
        else:
            genesis = decode_value(Genesis, data, max_bytes=GENESIS_BYTES_MAX)
    except (ValueError, RecursionError, Malformed) as error:
        raise BadGenesis(path, f"no genesis document ({error}); copy the consortium's there again") from error
    check_genesis(genesis)
    return genesis


def write_genesis(path: Path, genesis: Genesis) -> None:
    """Keep the document in its encoding, which its hash is over."""
    path.write_bytes(encode_value(genesis))


def genesis_json(genesis: Genesis) -> dict[str, object]:
    """The document as JSON, with the chain's id first."""
    return {"chain_id": genesis.chain_id.hex(), **to_json(genesis)}


def _number(name: str, text: str) -> int | bool:
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        raise BadGenesis("parameters", f"{name} is a whole number, not {text!r}") from None
