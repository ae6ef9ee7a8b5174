"""A new home: the node's keys, its settings, and the particulars with which it asks to be a founder or a member."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noded.codec.errors import Malformed
from noded.codec.json_form import from_json, to_json
from noded.config import CONFIG_NAME, NodeConfig, default_text
from noded.crypto.kdf import STRETCHING, Stretching
from noded.errors import ConfigError
from noded.keys.files import check_private, make_private_folder
from noded.keys.keystore import Keystore, create_keystore, open_keystore
from noded.keys.names import ACCOUNT, CONSENSUS, ENCRYPTION, NETWORK, NODE_KEYS
from noded.keys.passphrase import passphrase_from_credential, passphrase_from_descriptor, passphrase_from_file
from noded.network.addresses import format_address, parse_address
from noded.types.genesis import EncryptionKey, Endpoint, Institution
from noded.types.ids import InstitutionId, PublicKey
from noded.types.roles import Role

FOUNDER_NAME: Final = "institution.json"
"""The particulars in a home; public, to be handed to whoever makes the genesis document."""

GENESIS_NAME: Final = "genesis.cbor"
KEYS_NAME: Final = "keys"
"""Where a home has these unless its settings say otherwise."""

STORE_NAME: Final = "ledger.sqlite"
WAL_NAME: Final = "wal"
SNAPSHOTS_NAME: Final = "snapshots"
"""Where a home has these, always."""

INSTITUTION_JSON_BYTES_MAX: Final = 64 * 1024
"""Particulars take under 2 KiB."""


class HomeExists(ConfigError):
    """There is a node in this folder."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"{home}: a node's home is here already; choose another folder, or move this one away"
        )
        self.home = home


class BadInstitution(ConfigError):
    """A file does not describe an institution."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}; `noded init` writes such a file to the node's home")
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What an institution says of itself."""

    legal_name: str
    role: Role
    jurisdiction: str
    """ISO 3166 code of the country or its part."""
    owner: str = ""
    """Members with the same owner share one cap on voting power; empty for a member on its own."""
    address: str | None = None
    """``host:port`` at which peers reach the node; None if they cannot."""


def create_home(
    home: Path,
    particulars: Particulars,
    *,
    passphrase: bytes | None,
    settings: Mapping[str, Mapping[str, object]],
    random_bytes: Callable[[int], bytes] = os.urandom,
    stretching: Stretching = STRETCHING,
) -> Institution:
    """
    Make a home with fresh keys, settings and particulars; only its owner may enter it.

    Args:
        home: A folder that is missing or empty.
        particulars: Of the institution.
        passphrase: Of the keystore; None leaves the keys unencrypted, for testnets only.
        settings: Values in place of the defaults, by section and key.
        random_bytes: Where keys and id come from.
        stretching: What a guess of the passphrase costs.

    Raises:
        HomeExists: The folder is not empty.
        FileExposed: Others may enter the folder.
        StorageError: It cannot be written.
    """
    make_private_folder(home)
    check_private(home)
    if any(home.iterdir()):
        raise HomeExists(home)
    keystore = create_keystore(home / KEYS_NAME, passphrase, random_bytes=random_bytes, stretching=stretching)
    for name, algorithm in NODE_KEYS.items():
        keystore.generate(name, algorithm)
    institution = make_institution(InstitutionId(random_bytes(16)), particulars, keystore)
    (home / CONFIG_NAME).write_text(with_settings(default_text(), settings), "utf-8")
    write_institution(home / FOUNDER_NAME, institution)
    return institution


def make_institution(id: InstitutionId, particulars: Particulars, keystore: Keystore) -> Institution:
    """The institution with these particulars and a keystore's public keys."""
    endpoints = () if particulars.address is None else (endpoint_of(particulars.address),)
    return Institution(
        id=id,
        legal_name=particulars.legal_name,
        role=particulars.role,
        owner=particulars.owner,
        jurisdiction=particulars.jurisdiction,
        consensus_key=PublicKey(keystore.info(CONSENSUS).public_key),
        network_key=PublicKey(keystore.info(NETWORK).public_key),
        account_key=PublicKey(keystore.info(ACCOUNT).public_key),
        encryption_key=EncryptionKey(keystore.info(ENCRYPTION).public_key),
        endpoints=endpoints,
    )


def endpoint_of(address: str) -> Endpoint:
    """An address in the one form in which genesis and ledger have it; raises ValueError if it is none."""
    return Endpoint(format_address(*parse_address(address)))


def write_institution(path: Path, institution: Institution) -> None:
    """Write particulars for others to read."""
    path.write_text(json.dumps(to_json(institution), indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_institution(path: Path) -> Institution:
    """
    The particulars in a file.

    Raises:
        BadInstitution: It has none, or is not there.
    """
    try:
        with path.open("rb") as file:
            data = file.read(INSTITUTION_JSON_BYTES_MAX + 1)
        if len(data) > INSTITUTION_JSON_BYTES_MAX:
            raise BadInstitution(path, f"it has more than {INSTITUTION_JSON_BYTES_MAX} bytes")
        return from_json(Institution, json.loads(data), "institution")
    except OSError as error:
        raise BadInstitution(path, str(error.strerror)) from error
    except (ValueError, RecursionError) as error:
        raise BadInstitution(path, f"it is not JSON ({error})") from error
    except Malformed as error:
        raise BadInstitution(path, str(error)) from error


def with_settings(text: str, settings: Mapping[str, Mapping[str, object]]) -> str:
    """The text of a settings file with some values in place of others; each key must stand in it."""
    wanted = {
        (section, key): value for section, entries in settings.items() for key, value in entries.items()
    }
    lines = []
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        place = (section, line.partition(" = ")[0])
        lines.append(f"{place[1]} = {json.dumps(wanted.pop(place))}" if place in wanted else line)
    assert not wanted, f"the default file lacks {wanted}"
    return "\n".join(lines) + "\n"


def open_keys(config: NodeConfig) -> Keystore:
    """
    The keystore of a home.

    Raises:
        ConfigError: The passphrase or the keystore cannot be used; see `open_keystore`.
    """
    source, _, rest = config.node.passphrase.partition(":")
    if source == "none":
        passphrase = None
    elif source == "file":
        passphrase = passphrase_from_file(config.path(rest))
    elif source == "fd":
        passphrase = passphrase_from_descriptor(int(rest))
    else:
        passphrase = passphrase_from_credential(os.environ)
    return open_keystore(config.path(config.node.keys), passphrase)
