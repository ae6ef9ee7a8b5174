"""A signature to be judged."""

from typing import NamedTuple

from noded.types.ids import PublicKey, Signature


class SignatureCheck(NamedTuple):
    """One signature to be judged by the pinned predicate."""

    public_key: PublicKey
    message: bytes
    signature: Signature
