"""Events: what a transaction did, for those who wait for it; no part of the state."""

from typing import Annotated

from noded.codec.schema import Limit
from noded.types.frozen import frozen

PARTIES_MAX = 16
DETAIL_MAX = 256


@frozen()
class Event:
    """Something happened to a thing; those concerned find it by their id or key."""

    name: Annotated[str, Limit(1, 64)]
    """Thing and past participle, such as ``record.registered``."""
    subject: Annotated[bytes, Limit(1, 64)]
    """Id of the thing."""
    parties: Annotated[tuple[Annotated[bytes, Limit(1, 64)], ...], Limit(0, PARTIES_MAX)] = ()
    """Institutions' ids and public keys concerned."""
    detail: Annotated[bytes, Limit(0, DETAIL_MAX)] = b""
    """Further id or code, by the event's name."""
