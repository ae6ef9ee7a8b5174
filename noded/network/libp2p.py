"""
The parts of py-libp2p that noded uses, loaded without the rest.

`import libp2p` costs over a second and 55 MB: QUIC, TLS certificates, HTTP clients, DNS, pubsub, a DHT. The cause is
the library's package files, each of which imports all that lies below it. Before the parts are imported, this
module puts empty packages in the place of those files (same path, so every submodule is found as usual), and five
small stand-ins for modules that the parts name but noded never uses. Among these are RSA and secp256k1 keys: members
have Ed25519 keys, so a stranger's other key is refused unread, and cannot buy an expensive verification either.

The price: in a process that has loaded this module, `import libp2p` gives the empty package. Everything of libp2p
that noded needs is a name in this module.
"""

import importlib
import importlib.util
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import trio

from noded.errors import NodedError
from noded.loading import without
from noded.network.members import peer_id_of

LIBP2P_VERSION = "0.8.1"
"""The only version whose internals noded/network has been tried with (N12)."""


class UnknownLibrary(NodedError):
    """The installed libp2p is not the one that this code works round (N12)."""


class _Absent:
    """Stands for a class that only annotations mention."""


class _KeyRefused:
    """Stands for the kinds of keys that no member has."""

    @classmethod
    def from_bytes(cls, data: bytes) -> NoReturn:
        """Refuse the key."""
        raise ValueError("only Ed25519 keys are accepted")


EMPTY_PACKAGES = (
    "libp2p",
    "libp2p.network",
    "libp2p.pubsub",
    "libp2p.security",
    "libp2p.tools",
    "libp2p.tools.anyio_service",
    "libp2p.transport",
    "libp2p.transport.quic",
    "libp2p.utils",
)
"""Packages whose own file is not run; parents before children."""

STAND_INS: dict[str, dict[str, object]] = {
    "libp2p.crypto.rsa": {"RSAPrivateKey": _KeyRefused, "RSAPublicKey": _KeyRefused},
    "libp2p.crypto.secp256k1": {"Secp256k1PrivateKey": _KeyRefused, "Secp256k1PublicKey": _KeyRefused},
    "libp2p.tools.anyio_service.api": {"ServiceAPI": _Absent},
    "libp2p.transport.quic.stream": {"QUICStream": _Absent},
}
"""Modules never loaded, with the names that the used parts take from them."""


def _load() -> None:
    if "libp2p" in sys.modules:
        raise UnknownLibrary("libp2p was imported before noded.network.libp2p, which loads it lighter")
    if version("libp2p") != LIBP2P_VERSION:
        raise UnknownLibrary(f"libp2p {version('libp2p')} is installed, noded needs {LIBP2P_VERSION}")
    spec = importlib.util.find_spec("libp2p")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    for name in EMPTY_PACKAGES:
        folder = root.joinpath(*name.split(".")[1:])
        if not (folder / "__init__.py").exists():
            raise UnknownLibrary(f"libp2p has no package {name}")
        package = ModuleType(name, "Emptied by noded.network.libp2p.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    for name, names in STAND_INS.items():
        if not root.joinpath(*name.split(".")[1:]).with_suffix(".py").exists():
            raise UnknownLibrary(f"libp2p has no module {name}")
        module = ModuleType(name, "Stood in for by noded.network.libp2p.")
        vars(module).update(names)
        sys.modules[name] = module
    with without("blake3", "mmh3"):  # Hashes that no peer's id is made with: 0.5 MB.
        importlib.import_module("multihash")
    varint = importlib.import_module("libp2p.utils.varint")
    for helper in ("decode_uvarint_from_stream", "encode_delim", "encode_varint_prefixed", "read_delim"):
        setattr(sys.modules["libp2p.utils"], helper, getattr(varint, helper))
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)  # below that, peers decide how much is logged


_load()

from cryptography.exceptions import InvalidTag  # noqa: E402
from libp2p.crypto.ed25519 import create_new_key_pair  # noqa: E402
from libp2p.crypto.x25519 import X25519PrivateKey  # noqa: E402
from libp2p.exceptions import BaseLibp2pError  # noqa: E402
from libp2p.io.exceptions import ConnectionClosedError  # noqa: E402
from libp2p.peer.id import ID  # noqa: E402
from libp2p.protocol_muxer.multiselect import Multiselect  # noqa: E402
from libp2p.protocol_muxer.multiselect_client import MultiselectClient  # noqa: E402
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator  # noqa: E402
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL  # noqa: E402
from libp2p.security.noise.transport import Transport as NoiseTransport  # noqa: E402
from libp2p.stream_muxer.yamux.yamux import MAX_WINDOW_SIZE as YAMUX_WINDOW_MAX  # noqa: E402
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL  # noqa: E402
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream  # noqa: E402

EXPECTED_ERRORS = (BaseLibp2pError, InvalidTag, OSError, trio.BrokenResourceError, trio.ClosedResourceError)
"""What the library raises when the other side goes away or sends nonsense; anything else is a bug, its or ours."""

__all__ = [
    "EXPECTED_ERRORS",
    "NOISE_PROTOCOL",
    "YAMUX_PROTOCOL",
    "ConnectionClosedError",
    "Multiselect",
    "MultiselectClient",
    "MultiselectCommunicator",
    "NoiseTransport",
    "X25519PrivateKey",
    "Yamux",
    "YamuxStream",
    "create_new_key_pair",
]


def _check_internals() -> None:
    """Find what noded overrides or reads, on objects made the way the library makes them."""
    muxer = Yamux(object(), None, is_initiator=True)
    stream = YamuxStream(1, muxer, True)
    for owner, names in (
        (muxer, ("start", "open_stream", "accept_stream", "secured_conn", "stream_buffers", "event_started")),
        (muxer, ("_measure_rtt_loop", "_write_frame", "_write_lock")),
        (
            stream,
            ("read", "write", "send_window", "recv_window", "closed", "send_closed", "send_window_update"),
        ),
        (stream, ("_auto_tune_and_send_window_update",)),
        (NoiseTransport, ("secure_inbound", "secure_outbound")),
        (MultiselectCommunicator, ("read", "write")),
        (Multiselect, ("negotiate",)),
        (MultiselectClient, ("select_one_of",)),
    ):
        for name in names:
            if not hasattr(owner, name):
                raise UnknownLibrary(f"libp2p's {owner!r} has no {name}")
    key = create_new_key_pair(bytes(32)).public_key
    if ID.from_pubkey(key).to_bytes() != peer_id_of(key.to_bytes()):
        raise UnknownLibrary("libp2p makes other peer ids than expected")
    if (NOISE_PROTOCOL, YAMUX_PROTOCOL, YAMUX_WINDOW_MAX) != ("/noise", "/yamux/1.0.0", 16 * 1024 * 1024):
        raise UnknownLibrary("libp2p has other protocols or limits than expected")


_check_internals()
