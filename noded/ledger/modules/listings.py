"""
Keys of the listings that queries read: by whom a thing concerns, then by height, then by id.

They are neither proven nor readable in a transition. Heights ascend, so that pages follow one another in time.
"""

from noded.types.ids import Height

PATIENTS = b"patients/"
RECORDS = b"records/"
CONSENTS = b"consents/"
ACCESS = b"access/"
OPENINGS = b"openings/"
ERASURES = b"erasures/"
DELEGATES = b"delegates/"
GROUPS = b"groups/"
OVERDUE = b"overdue/"
"""What was not done by its deadline, by the institution that owed it."""


def listing(prefix: bytes, concerned: bytes) -> bytes:
    """What all keys of one listing begin with."""
    return prefix + concerned


def listing_key(prefix: bytes, concerned: bytes, height: Height, id: bytes) -> bytes:
    """The key of one row: who is concerned (16 bytes), since when, which."""
    return prefix + concerned + height.to_bytes(8) + id


def listed_id(prefix: bytes, key: bytes) -> bytes:
    """The id at the end of a row's key."""
    return key[len(prefix) + 16 + 8 :]
