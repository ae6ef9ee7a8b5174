"""
What the API answers when it does not do what was asked: problem details (RFC 9457).

The reason is the name of an exception's class, here as in metrics, logs and receipts: `type` ends with it, `title` is
what the class says of itself, `detail` what happened this time.
"""

import json
from typing import Any, Final

from noded.api.backend import Busy, NotHere, NotPermitted, PeerFailed
from noded.blobs.errors import (
    BlobError,
    BlobForged,
    BlobMissing,
    BlobRefused,
    BlobUnreachable,
    NoSpaceForBlob,
    RecordHeld,
    RecordNotHeld,
    RecordTooLarge,
)
from noded.errors import ConfigError, InvalidMessage, InvalidTransaction, NodedError, StorageError
from noded.ledger.modules.errors import Unknown

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:noded:problem:"

Headers = list[tuple[bytes, bytes]]


class ApiError(NodedError):
    """Base of what a client of the API did wrong, or must do differently."""

    status: int = 400
    headers: tuple[tuple[str, str], ...] = ()


class InvalidRequest(ApiError):
    """The request is not of the form that the description of the API gives."""

    status = 422

    def __init__(self, detail: str, *, errors: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors
        """Where and why, for each mistake."""


class NotHttp(ApiError):
    """What came is no request of HTTP/1.1."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class BadBody(ApiError):
    """The body is not what its content type says."""

    status = 400


class NotAuthenticated(ApiError):
    """The request has no token, or one that is unknown or has expired."""

    status = 401
    headers = (("www-authenticate", 'Bearer realm="noded"'),)


class ScopeMissing(ApiError):
    """The token does not allow this."""

    status = 403


class NoSuchThing(ApiError):
    """There is nothing of this name on the chain, or not yet."""

    status = 404


class NoSuchRoute(ApiError):
    """The API has nothing at this path."""

    status = 404


class MethodNotAllowed(ApiError):
    """The path takes other methods."""

    status = 405


class BodyTooSlow(ApiError):
    """The body came slower than the API waits for."""

    status = 408


class Pruned(ApiError):
    """The node has forgotten this; it keeps what proves it."""

    status = 410


class BodyTooLarge(ApiError):
    """The body has more bytes than the path takes."""

    status = 413


class BodyUnsupported(ApiError):
    """The path takes other content types."""

    status = 415


class RangeBeyondEnd(ApiError):
    """The range begins behind the last byte."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"there are {size} bytes")
        self.headers = (("content-range", f"bytes */{size}"),)


class TooManyRequests(ApiError):
    """The client sends more requests than it may."""

    status = 429

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.headers = (("retry-after", str(retry_after_s)),)


class NotReady(ApiError):
    """The node cannot do this now, but will be able to."""

    status = 503
    headers = (("retry-after", "1"),)


class Behind(ApiError):
    """The node has not reached the height that the request asks for; ask again, or another node."""

    status = 412


class InternalFault(ApiError):
    """The node made a mistake; its log says which."""

    status = 500


STATUS: Final[tuple[tuple[type[NodedError], int], ...]] = (
    (Busy, 503),
    (NotPermitted, 403),
    (BlobRefused, 403),
    (NotHere, 404),
    (BlobMissing, 404),
    (RecordNotHeld, 404),
    (Unknown, 404),
    (RecordHeld, 409),
    (InvalidTransaction, 409),
    (ConfigError, 409),
    (RecordTooLarge, 413),
    (BlobUnreachable, 502),
    (BlobForged, 502),
    (PeerFailed, 502),
    (NoSpaceForBlob, 507),
    (BlobError, 500),
    (StorageError, 500),
    (InvalidMessage, 400),
)
"""For errors from below; the first that fits."""


def status_of(error: NodedError) -> int:
    """The status of the answer to an error."""
    if isinstance(error, ApiError):
        return error.status
    return next((status for cls, status in STATUS if isinstance(error, cls)), 500)


def translate(error: Exception) -> NodedError:
    """What is told to the client: an expected error as it is, a bug without details."""
    return error if isinstance(error, NodedError) else InternalFault("the node's log says more")


def describe(error: NodedError) -> dict[str, Any]:
    """The problem's details."""
    cls = type(error)
    details: dict[str, Any] = {
        "type": TYPE_PREFIX + cls.__name__,
        "title": (cls.__doc__ or "").strip().split("\n", 1)[0],
        "status": status_of(error),
        "detail": str(error),
    }
    if isinstance(error, InvalidRequest) and error.errors:
        details["errors"] = error.errors
    return details


def encode(error: NodedError) -> tuple[int, bytes, Headers]:
    """Status, body and headers of the answer to an error."""
    details = describe(error)
    body = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    if isinstance(error, ApiError):
        headers += [(name.encode(), value.encode()) for name, value in error.headers]
    elif isinstance(error, Busy):
        headers.append((b"retry-after", b"1"))
    return details["status"], body, headers
