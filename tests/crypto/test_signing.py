"""H1: one meaning of a valid signature, whatever the library."""

import hashlib
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from noded.crypto import signing
from noded.crypto.signing import public_key_of, secret_of, sign, verify, verify_many
from tests.helpers.shared_data import shared_path, wycheproof

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
EMPTY_SIGNED = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493

LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def libsodium_accepts(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def openssl_accepts(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class TestSign:
    def test_first_vector_of_rfc_8032(self) -> None:
        assert public_key_of(SEED) == PUBLIC_KEY
        assert sign(SEED, b"") == EMPTY_SIGNED
        assert verify(PUBLIC_KEY, b"", EMPTY_SIGNED)

    def test_third_vector_of_rfc_8032(self) -> None:
        seed = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
        signature = sign(seed, bytes.fromhex("af82"))

        assert public_key_of(seed).hex() == "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
        assert signature.hex() == (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        )

    def test_a_secret_signs_as_its_seed(self) -> None:
        assert sign(secret_of(SEED), b"message") == sign(SEED, b"message")


class TestVerify:
    def test_nothing_else_verifies(self) -> None:
        signature = sign(SEED, b"message")

        assert verify(PUBLIC_KEY, b"message", signature)
        assert not verify(PUBLIC_KEY, b"messagf", signature)
        assert not verify(public_key_of(bytes(32)), b"message", signature)
        for bit in range(512):
            changed = int.from_bytes(signature) ^ 1 << bit
            assert not verify(PUBLIC_KEY, b"message", changed.to_bytes(64))

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_keys_of_other_lengths(self, size: int) -> None:
        assert not verify((PUBLIC_KEY * 2)[:size], b"", EMPTY_SIGNED)

    @pytest.mark.parametrize("size", [0, 63, 65])
    def test_signatures_of_other_lengths(self, size: int) -> None:
        assert not verify(PUBLIC_KEY, b"", (EMPTY_SIGNED * 2)[:size])

    def test_many_are_judged_one_by_one(self) -> None:
        good = (PUBLIC_KEY, b"", EMPTY_SIGNED)
        bad = (PUBLIC_KEY, b"a", EMPTY_SIGNED)

        assert verify_many([good, bad, good]) == [True, False, True]
        assert verify_many([]) == []


class TestPredicate:
    """H1: what is refused before any library is asked, here one that accepts everything."""

    @pytest.fixture(autouse=True)
    def _accept_everything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(signing, "crypto_sign_open", lambda _signed, _key: b"")

    def test_ordinary_ones_get_to_the_library(self) -> None:
        assert verify(PUBLIC_KEY, b"forged", EMPTY_SIGNED)

    @pytest.mark.parametrize("encoding", LOW_ORDER)
    @pytest.mark.parametrize("sign_bit", [0, 0x80])
    def test_low_order_keys(self, encoding: str, sign_bit: int) -> None:
        """With a key of low order, R = [s]B holds for one message in eight or for all."""
        point = bytearray.fromhex(encoding)
        point[31] |= sign_bit
        identity_times_s = bytes.fromhex(LOW_ORDER[1]) + bytes(32)

        assert not any(verify(bytes(point), bytes((n,)), identity_times_s) for n in range(64))

    @pytest.mark.parametrize("encoding", LOW_ORDER)
    def test_low_order_r(self, encoding: str) -> None:
        """Such an R can be made valid by whoever knows the key: s = k·a."""
        digest = hashlib.sha512(SEED).digest()
        scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
        r = bytes.fromhex(encoding)
        made = 0
        for n in range(40):
            challenge = (
                int.from_bytes(hashlib.sha512(r + PUBLIC_KEY + bytes((n,))).digest(), "little") % ORDER
            )
            signature = r + (challenge * scalar % ORDER).to_bytes(32, "little")
            made += openssl_accepts(PUBLIC_KEY, bytes((n,)), signature)

            assert not verify(PUBLIC_KEY, bytes((n,)), signature)
        assert made == (40 if encoding == LOW_ORDER[1] else 0), "the identity would pass elsewhere"

    @pytest.mark.parametrize("y", [P, P + 1, P + 2, P + 18, 2**255 - 1])
    @pytest.mark.parametrize("sign_bit", [0, 1])
    def test_coordinates_beyond_the_field(self, y: int, sign_bit: int) -> None:
        point = (y | sign_bit << 255).to_bytes(32, "little")

        assert not verify(point, b"", EMPTY_SIGNED)
        assert not verify(PUBLIC_KEY, b"", point + EMPTY_SIGNED[32:])

    def test_s_beyond_the_order(self) -> None:
        s = int.from_bytes(EMPTY_SIGNED[32:], "little")

        for multiple in range(1, 16):
            larger = s + multiple * ORDER
            if larger < 2**256:
                assert not verify(PUBLIC_KEY, b"", EMPTY_SIGNED[:32] + larger.to_bytes(32, "little"))


class TestOutsideVectors:
    def test_wycheproof(self) -> None:
        seen = 0
        for group, test in wycheproof("ed25519"):
            key, message, signature = (
                bytes.fromhex(text) for text in (group["publicKey"]["pk"], test["msg"], test["sig"])
            )
            seen += 1

            assert verify(key, message, signature) == (test["result"] == "valid"), test["tcId"]
            assert openssl_accepts(key, message, signature) == (test["result"] == "valid"), test["tcId"]
        assert seen > 100

    def test_the_libraries_agree_on_whatever_passes_the_predicate(self) -> None:
        """914 cases on which libraries are known to disagree (CCTV)."""
        accepted, disputed = set(), 0
        for case in json.loads(shared_path("cctv/ed25519vectors.json").read_text()):
            key, signature = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"])
            message = case["msg"].encode()
            judgements = libsodium_accepts(key, message, signature), openssl_accepts(key, message, signature)
            disputed += judgements[0] != judgements[1]
            if verify(key, message, signature):
                accepted.add(case["number"])

                assert judgements == (True, True), case["number"]
                assert not {"low_order_R", "low_order_A", "non_canonical_R", "non_canonical_A"} & set(
                    case["flags"] or []
                )
        assert disputed > 0, "the vectors no longer test what they are for"
        assert len(accepted) > 0
