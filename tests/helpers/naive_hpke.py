"""The receiver's side of HPKE in base mode, written from RFC 9180 §4–5: what a reader with another library does."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

X25519_KEM, HYBRID_KEM, HKDF_SHA256 = 0x0020, 0x647A, 0x0001
AES_128_GCM, AES_256_GCM = 0x0001, 0x0002


def naive_unwrap(private_key: bytes, info: bytes, wrapped: bytes) -> bytes:
    """Open a wrap for an X25519 or a hybrid private key."""
    if len(private_key) == 32:
        secret, sealed = x25519_shared_secret(private_key, wrapped[:32]), wrapped[32:]
        key, nonce = key_and_nonce(X25519_KEM, AES_256_GCM, secret, info)
    else:
        secret, sealed = _hybrid_shared_secret(private_key, wrapped[:1120]), wrapped[1120:]
        key, nonce = key_and_nonce(HYBRID_KEM, AES_256_GCM, secret, info)
    return AESGCM(key).decrypt(nonce, sealed, b"")


def x25519_shared_secret(private_key: bytes, encapsulated: bytes) -> bytes:
    """DHKEM(X25519, HKDF-SHA256), RFC 9180 §4.1."""
    owner = X25519PrivateKey.from_private_bytes(private_key)
    shared = owner.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    suite = b"KEM" + X25519_KEM.to_bytes(2)
    context = encapsulated + owner.public_key().public_bytes_raw()
    return _expand(suite, _extract(suite, b"", b"eae_prk", shared), b"shared_secret", context, 32)


def key_and_nonce(kem: int, aead: int, secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """The key schedule of base mode, RFC 9180 §5.1."""
    suite = b"HPKE" + b"".join(number.to_bytes(2) for number in (kem, HKDF_SHA256, aead))
    context = b"\0" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    prk = _extract(suite, secret, b"secret", b"")
    size = 16 if aead == AES_128_GCM else 32
    return _expand(suite, prk, b"key", context, size), _expand(suite, prk, b"base_nonce", context, 12)


def _hybrid_shared_secret(private_key: bytes, encapsulated: bytes) -> bytes:
    """The combiner of draft-connolly-cfrg-xwing-kem §5.3."""
    lattice_secret = MLKEM768PrivateKey.from_seed_bytes(private_key[:64]).decapsulate(encapsulated[:1088])
    curve = X25519PrivateKey.from_private_bytes(private_key[64:])
    curve_secret = curve.exchange(X25519PublicKey.from_public_bytes(encapsulated[1088:]))
    parts = (
        lattice_secret,
        curve_secret,
        encapsulated[1088:],
        curve.public_key().public_bytes_raw(),
        b"\\.//^\\",
    )
    return hashlib.sha3_256(b"".join(parts)).digest()


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labelled = size.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labelled + b"\x01", "sha256")[:size]
