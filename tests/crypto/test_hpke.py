"""H5: what is wrapped opens only for its reader and its context."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from noded.crypto.errors import Undecryptable, UnusableKey
from noded.crypto.hpke import (
    HYBRID_OVERHEAD_BYTES,
    HYBRID_PRIVATE_BYTES,
    HYBRID_PUBLIC_BYTES,
    X25519_OVERHEAD_BYTES,
    X25519_PRIVATE_BYTES,
    X25519_PUBLIC_BYTES,
    unwrap,
    wrap,
    wrapping_key_of,
)
from tests.helpers.naive_hpke import (
    AES_128_GCM,
    X25519_KEM,
    key_and_nonce,
    naive_unwrap,
    x25519_shared_secret,
)
from tests.helpers.shared_data import wycheproof

X25519_KEY = bytes(range(X25519_PRIVATE_BYTES))
HYBRID_KEY = bytes(range(HYBRID_PRIVATE_BYTES))

both_kinds = pytest.mark.parametrize("private_key", [X25519_KEY, HYBRID_KEY], ids=["x25519", "hybrid"])


@both_kinds
class TestWrap:
    def test_the_owner_reads_it(self, private_key: bytes) -> None:
        wrapped = wrap(wrapping_key_of(private_key), b"info", b"content")

        assert unwrap(private_key, b"info", wrapped) == b"content"

    def test_any_other_implementation_reads_it(self, private_key: bytes) -> None:
        wrapped = wrap(wrapping_key_of(private_key), b"info", b"content")

        assert naive_unwrap(private_key, b"info", wrapped) == b"content"

    def test_no_two_wraps_are_alike(self, private_key: bytes) -> None:
        public_key = wrapping_key_of(private_key)

        assert wrap(public_key, b"info", b"content") != wrap(public_key, b"info", b"content")

    def test_nobody_else_reads_it(self, private_key: bytes) -> None:
        wrapped = wrap(wrapping_key_of(private_key), b"info", b"content")

        with pytest.raises(Undecryptable):
            unwrap(private_key[::-1], b"info", wrapped)

    def test_other_info_does_not_open_it(self, private_key: bytes) -> None:
        wrapped = wrap(wrapping_key_of(private_key), b"info", b"content")

        with pytest.raises(Undecryptable):
            unwrap(private_key, b"infO", wrapped)

    def test_changed_bytes_do_not_open(self, private_key: bytes) -> None:
        wrapped = wrap(wrapping_key_of(private_key), b"info", b"content")
        changed = [
            wrapped[:at] + bytes((wrapped[at] ^ 1,)) + wrapped[at + 1 :] for at in range(0, len(wrapped), 7)
        ]

        for bad in [b"", wrapped[:-1], wrapped + b"\0", bytes(len(wrapped)), *changed]:
            with pytest.raises(Undecryptable):
                unwrap(private_key, b"info", bad)


def test_sizes() -> None:
    for private_key, public_size, overhead in (
        (X25519_KEY, X25519_PUBLIC_BYTES, X25519_OVERHEAD_BYTES),
        (HYBRID_KEY, HYBRID_PUBLIC_BYTES, HYBRID_OVERHEAD_BYTES),
    ):
        public_key = wrapping_key_of(private_key)

        assert len(public_key) == public_size
        assert len(wrap(public_key, b"", b"content")) == overhead + len(b"content")


@pytest.mark.parametrize(
    "public_key",
    [b"", bytes(31), bytes(32), b"\x01" + bytes(31), bytes(33), bytes(1216), b"\xff" * 1216, b"\xff" * 1217],
    ids=["empty", "short", "zero", "one", "long", "hybrid zero", "hybrid beyond the field", "hybrid long"],
)
def test_keys_to_which_nothing_may_be_encrypted(public_key: bytes) -> None:
    with pytest.raises(UnusableKey):
        wrap(public_key, b"info", b"content")


def test_the_other_implementation_is_that_of_rfc_9180() -> None:
    """Appendix A.1.1: without it, agreement would only show that both are alike."""
    private_key = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    encapsulated = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    secret = x25519_shared_secret(private_key, encapsulated)
    key, nonce = key_and_nonce(X25519_KEM, AES_128_GCM, secret, info)

    assert secret.hex() == "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"
    assert key.hex() == "4531685d41d65f03dc48f6b8302c05b0"
    assert nonce.hex() == "56d890e5accaaf011cff4b7d"
    assert AESGCM(key).encrypt(nonce, b"Beauty is truth, truth beauty", b"Count-0").hex() == (
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
    )


def test_wycheproof_x25519() -> None:
    """A public key that gives the zero secret is refused; every other one gives the published one."""
    seen = 0
    for _, test in wycheproof("x25519"):
        private_key, public_key, shared = (
            bytes.fromhex(test[name]) for name in ("private", "public", "shared")
        )
        seen += 1
        if shared == bytes(32):
            with pytest.raises(UnusableKey):
                wrap(public_key, b"", b"")
        else:
            owner = X25519PrivateKey.from_private_bytes(private_key)

            assert owner.exchange(X25519PublicKey.from_public_bytes(public_key)) == shared, test["tcId"]
    assert seen > 500
