"""N12: the library is pinned, loaded light, and found to be as expected; each in a fresh interpreter."""

import json
import subprocess
import sys

UNUSED = (
    "aioquic", "httpx", "requests", "acme", "dns", "anyio", "zeroconf", "miniupnpc", "coincurve", "Crypto",
    "libp2p.host", "libp2p.network.swarm", "libp2p.kad_dht", "libp2p.transport.manager", "libp2p.security.tls",
    "libp2p.security.insecure", "libp2p.stream_muxer.mplex", "libp2p.pubsub.gossipsub",
)  # fmt: skip


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def outcome(code: str) -> str:
    done = run(code)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def test_what_is_not_used_is_not_loaded() -> None:
    done = run("import noded.network.swarm, sys, json; print(json.dumps(sorted(sys.modules)))")
    loaded = set(json.loads(done.stdout))

    assert "libp2p.stream_muxer.yamux.yamux" in loaded
    assert [name for name in UNUSED if name in loaded] == []


def test_the_interface_alone_loads_nothing_of_the_library() -> None:
    done = run("import noded.network, noded.network.memory, sys; print('libp2p' in sys.modules)")

    assert done.stdout.strip() == "False"


def test_plaintext_tls_and_mplex_are_not_even_there() -> None:
    for module in ("security.insecure.transport", "security.tls.transport", "stream_muxer.mplex.mplex"):
        assert (
            outcome(f"import noded.network.libp2p, sys; print('libp2p.{module}' in sys.modules)") == "False"
        )


def test_another_version_is_refused() -> None:
    code = "import importlib.metadata as m; m.version = lambda name: '0.8.2'; import noded.network.libp2p"

    assert outcome(code).endswith("UnknownLibrary: libp2p 0.8.2 is installed, noded needs 0.8.1")


def test_a_library_already_loaded_whole_is_refused() -> None:
    code = (
        "import sys, types; sys.modules['libp2p'] = types.ModuleType('libp2p'); import noded.network.libp2p"
    )

    assert "UnknownLibrary: libp2p was imported before" in outcome(code)


def test_missing_internals_are_named() -> None:
    code = (
        "import noded.network.libp2p as l\n"
        "del l.Yamux._measure_rtt_loop\n"
        "try: l._check_internals()\n"
        "except l.UnknownLibrary as error: print(str(error).rsplit(' ', 1)[-1])\n"
    )

    assert outcome(code) == "_measure_rtt_loop"


def test_only_ed25519_keys_are_read() -> None:
    code = (
        "import noded.network.libp2p\n"
        "from libp2p.crypto.pb import crypto_pb2 as pb\n"
        "from libp2p.crypto.serialization import deserialize_public_key as read\n"
        "for kind in (pb.RSA, pb.Secp256k1, pb.ECDSA, pb.Ed25519):\n"
        "    try: print(read(pb.PublicKey(key_type=kind, data=bytes(32)).SerializeToString()).get_type().name)\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )

    assert run(code).stdout.split() == ["ValueError", "ValueError", "MissingDeserializerError", "Ed25519"]


def test_the_library_is_quiet() -> None:
    """What peers do must not decide how much is logged."""
    code = (
        "import noded.network.libp2p, logging\n"
        "print(logging.getLogger('libp2p.stream_muxer.yamux').isEnabledFor(logging.ERROR))"
    )

    assert outcome(code) == "False"
