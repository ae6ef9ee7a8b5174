"""What a node answers, and what goes wrong on the way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from noded.codec import cbor
from noded.codec.errors import Malformed
from noded.errors import NodedError

if TYPE_CHECKING:
    from noded.types.ids import Height, TransactionHash  # What they need to be checked costs 60 ms to load.

TYPE_PREFIX: Final = "urn:noded:problem:"
"""Of the `type` of problem details; the reason follows."""

AT_LEAST_HEADER: Final = "noded-at-least"
"""Of a request: the height at or after which its answer is to hold."""

ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
"""Largest answer that is read whole; proofs over many epochs are the largest."""

POSTED_BYTES_MAX: Final = 1024 * 1024
"""Transactions of one call, as the API takes them."""

POSTED_MAX: Final = 512


class NodeUnreachable(NodedError):
    """No node answers there."""


class Refused(NodedError):
    """The node answered that it does not do what was asked; `reason` is the name of the error."""

    def __init__(self, *, status: int, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.status = status
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of one transaction that was handed in."""

    hash: "TransactionHash"
    refused: str | None
    """Name of the error for which it was not taken; None where it was."""
    detail: str
    height: "Height | None"
    """Of the block in which it is final; None while it is not."""
    position: int | None
    error: str | None
    """Name of the rule's error with which it was rejected; None where it took effect."""

    @property
    def is_applied(self) -> bool:
        """Whether it is final and took effect."""
        return self.height is not None and self.error is None


def encode_posted(transactions: Sequence[bytes]) -> bytes:
    """The body that hands in transactions."""
    return cbor.encode(list(transactions))


def decode_posted(data: bytes) -> list[Posted]:
    """
    What the node says of transactions that were handed in.

    Raises:
        Refused: It is nothing that a node says.
    """
    try:
        rows = cbor.decode(data, max_bytes=ANSWER_BYTES_MAX)
        return [Posted(*row) for row in rows]
    except (Malformed, TypeError) as error:
        raise Refused(status=200, reason="UnknownAnswer", detail=str(error)) from error


def refusal(status: int, body: bytes) -> Refused:
    """The error that an answer tells."""
    try:
        details: Any = json.loads(body)
        reason = str(details["type"]).removeprefix(TYPE_PREFIX)
        return Refused(status=status, reason=reason, detail=str(details.get("detail", "")))
    except (ValueError, KeyError, TypeError):
        return Refused(status=status, reason=f"Status{status}", detail=body[:200].decode("utf-8", "replace"))
