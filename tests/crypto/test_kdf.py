"""H5 for passwords; and keys that must come out the same in every later version."""

import pytest

from noded.crypto import kdf
from noded.crypto.errors import Undecryptable
from noded.crypto.kdf import Stretching, hkdf, open_with_password, pairwise_seed, seal_with_password
from tests.helpers.shared_data import wycheproof

SEED = bytes(range(32))
SALT = b"s" * 32
WEAK = Stretching(memory_kib=8, iterations=1, lanes=1)
SEALED = seal_with_password(b"password", b"secret", context=b"node key", salt=SALT, stretching=WEAK)


class TestHkdf:
    def test_first_vector_of_rfc_5869(self) -> None:
        key = hkdf(b"\x0b" * 22, salt=bytes(range(13)), info=bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), size=42)

        assert key.hex() == (
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        )

    def test_third_vector_of_rfc_5869(self) -> None:
        """Without salt and info."""
        assert hkdf(b"\x0b" * 22, info=b"", size=42).hex() == (
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        )

    def test_wycheproof(self) -> None:
        seen = 0
        for _, test in wycheproof("hkdf_sha256"):
            secret, salt, info, key = (bytes.fromhex(test[name]) for name in ("ikm", "salt", "info", "okm"))
            seen += 1
            if test["result"] == "valid":
                assert hkdf(secret, salt=salt, info=info, size=test["size"]) == key, test["tcId"]
            else:
                with pytest.raises(ValueError, match="larger"):
                    hkdf(secret, salt=salt, info=info, size=test["size"])
        assert seen > 50


class TestPairwise:
    def test_the_same_key_comes_back(self) -> None:
        """Pinned: a patient who comes back with a seed after years needs the same keys."""
        assert (
            pairwise_seed(SEED, b"hospital", "identity", 0).hex()
            == "e17aca7b9a2104c84797ba3cc130f3052a0df907e059731bbca5b6f5305b794a"
        )

    def test_every_argument_counts(self) -> None:
        seeds = {
            pairwise_seed(*arguments)
            for arguments in (
                (SEED, b"hospital", "identity", 0),
                (SEED[::-1], b"hospital", "identity", 0),
                (SEED, b"hospitam", "identity", 0),
                (SEED, b"hospital", "wrapping", 0),
                (SEED, b"hospital", "identity", 1),
                (SEED, b"hospitali", "dentity", 0),
            )
        }

        assert len(seeds) == 6

    def test_a_guessable_seed_is_a_bug(self) -> None:
        with pytest.raises(AssertionError, match="guessed"):
            pairwise_seed(b"s" * 31, b"hospital", "identity", 0)


class TestPassword:
    def test_open_undoes_seal(self) -> None:
        assert open_with_password(b"password", SEALED, context=b"node key") == b"secret"

    def test_the_default_costs_64_mib(self) -> None:
        sealed = seal_with_password(b"password", b"secret", context=b"", salt=SALT)

        assert sealed[1:13] == (65536).to_bytes(4) + (3).to_bytes(4) + (4).to_bytes(4)
        assert open_with_password(b"password", sealed, context=b"") == b"secret"

    def test_the_stretching_is_argon2id(self) -> None:
        """Pinned, so that a file written today opens with every later version."""
        assert (
            SEALED.hex()
            == "01000000080000000100000001737373737373737373737373737373737373737373737373737373737373737389ae4ee0d39bd5d8fbc8bd35bb10312ee3c17766f2fc"
        )

    @pytest.mark.parametrize(
        ("password", "context"), [(b"passwort", b"node key"), (b"", b"node key"), (b"password", b"")]
    )
    def test_other_passwords_and_contexts(self, password: bytes, context: bytes) -> None:
        with pytest.raises(Undecryptable):
            open_with_password(password, SEALED, context=context)

    def test_changed_bytes(self) -> None:
        """Among them weaker stretching, for cheaper guesses."""
        for at in range(len(SEALED)):
            if 1 <= at < 12:
                continue  # higher bytes of the stretching; see below
            changed = SEALED[:at] + bytes((SEALED[at] ^ 2,)) + SEALED[at + 1 :]
            with pytest.raises(Undecryptable):
                open_with_password(b"password", changed, context=b"node key")
        for size in range(len(SEALED)):
            with pytest.raises(Undecryptable):
                open_with_password(b"password", SEALED[:size], context=b"node key")

    @pytest.mark.parametrize(
        ("memory_kib", "iterations", "lanes"),
        [
            (0, 1, 1),
            (7, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (15, 1, 2),
            ((1 << 32) - 1, 1, 1),
            (8, (1 << 32) - 1, 1),
            (8 << 16, 1, 1 << 16),
        ],
    )
    def test_unbearable_stretching(self, memory_kib: int, iterations: int, lanes: int) -> None:
        header = b"\x01" + b"".join(number.to_bytes(4) for number in (memory_kib, iterations, lanes))

        with pytest.raises(Undecryptable, match="memory or time"):
            open_with_password(b"password", header + SEALED[13:], context=b"node key")

    def test_what_a_file_may_ask_for_covers_the_default(self) -> None:
        most, default = kdf.STRETCHING_MAX, kdf.STRETCHING

        assert default.memory_kib <= most.memory_kib
        assert default.iterations <= most.iterations
        assert default.lanes <= most.lanes
