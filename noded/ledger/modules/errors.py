"""Why the medical modules reject operations; the class name is the reason that receipts and tests show."""

from noded.errors import InvalidTransaction
from noded.types.ids import InstitutionId, PublicKey, TimestampMs


class IdTaken(InvalidTransaction):
    """There is, or was, something with this id (L20, L25, L30, L40, L50, L70)."""

    def __init__(self, *, thing: str, id: bytes) -> None:
        super().__init__(f"{thing} {id.hex()} exists")
        self.thing = thing
        self.id = id


class Unknown(InvalidTransaction):
    """There is nothing with this id."""

    thing = ""

    def __init__(self, *, id: bytes) -> None:
        super().__init__(f"no {self.thing} {id.hex()}")
        self.id = id


class UnknownPatient(Unknown):
    """No patient has this id, or not with this custodian (L20, L30)."""

    thing = "patient"


class UnknownDelegate(Unknown):
    """The key does not act for this patient (L22)."""

    thing = "delegate"


class UnknownGroup(Unknown):
    """No group has this id (L25)."""

    thing = "group"


class UnknownGrantee(Unknown):
    """The consent would go to a member or group that the ledger does not know (L40)."""

    thing = "grantee"


class UnknownRecord(Unknown):
    """No record has this id."""

    thing = "record"


class UnknownConsent(Unknown):
    """No consent has this id."""

    thing = "consent"


class UnknownRequest(Unknown):
    """No request has this id."""

    thing = "request"


class UnknownOpening(Unknown):
    """No breaking of the glass has this id."""

    thing = "opening"


class UnknownErasure(Unknown):
    """Nobody demanded that this record be erased (L86)."""

    thing = "erasure of record"


class WrongSigner(InvalidTransaction):
    """The sender is not the party whose decision this is."""

    who = ""

    def __init__(self, *, signer: PublicKey, subject: bytes) -> None:
        super().__init__(f"key {signer.hex()} is not {self.who} of {subject.hex()}")
        self.signer = signer
        self.subject = subject


class NotThePatient(WrongSigner):
    """Only the patient's own key may do this (L21, L22)."""

    who = "the key"


class NotTheGrantor(WrongSigner):
    """The sender is neither the patient's key nor a delegate's that acts (L23)."""

    who = "the patient or a delegate"


class NotTheCustodian(WrongSigner):
    """The sender is not the institution that keeps the record (L30, L54)."""

    who = "the custodian"


class NotTheOwner(WrongSigner):
    """The sender is not the institution that created the group (L25)."""

    who = "the owner"


class NotTheReader(WrongSigner):
    """The sender is not who asked for access (L56)."""

    who = "the reader"


class NotDisputable(InvalidTransaction):
    """This institution cannot dispute this release: it is not its reader, could read it, or was proven right (L112)."""

    def __init__(self, *, request: bytes, status: str) -> None:
        super().__init__(
            f"release {request.hex()} is {status}, or another's; only its reader disputes what was unreadable"
        )
        self.request = request
        self.status = status


class NotTheOpener(WrongSigner):
    """The sender is not the institution that broke the glass (L72)."""

    who = "the opener"


class NotAReviewer(WrongSigner):
    """The sender may not review this opening: it opened with this key, or has no part in it (L73)."""

    who = "a reviewer"


class NotAHolder(WrongSigner):
    """The sender owes no attestation of this erasure, or has given it (L86)."""

    who = "a holder"


class SignatureMissing(InvalidTransaction):
    """A key that must agree did not sign the transaction (L20, L21, L22)."""

    def __init__(self, *, key: PublicKey) -> None:
        super().__init__(f"key {key.hex()} must sign, too")
        self.key = key


class NotCurrent(InvalidTransaction):
    """The operation builds on a version or sequence that is not the current one (L25, L35, L41, L46, L80)."""

    def __init__(self, *, given: int, current: int) -> None:
        super().__init__(f"{given} was given, {current} is current")
        self.given = given
        self.current = current


class Unordered(InvalidTransaction):
    """Ids must be ascending and each stand once (L25)."""


class AlreadyOver(InvalidTransaction):
    """The end lies in the past (L22, L40)."""

    def __init__(self, *, until_ms: TimestampMs, now_ms: TimestampMs) -> None:
        super().__init__(f"it would end at {until_ms}, but the block's time is {now_ms}")
        self.until_ms = until_ms
        self.now_ms = now_ms


class Ended(InvalidTransaction):
    """It was withdrawn, erased, revoked, closed, or its time ran out; nothing more is done with it."""

    def __init__(self, *, thing: str, id: bytes, status: str) -> None:
        super().__init__(f"{thing} {id.hex()} is {status}")
        self.thing = thing
        self.id = id
        self.status = status


class WrongKeyEpoch(InvalidTransaction):
    """The compartment's key has another epoch by now (L34)."""

    def __init__(self, *, given: int, current: int) -> None:
        super().__init__(f"key epoch {given} was given, {current} is current")
        self.given = given
        self.current = current


class NoCompartment(InvalidTransaction):
    """A record without a patient has no compartment, epoch or wrapped key (L34)."""


class ActorMismatch(InvalidTransaction):
    """An institution must say who reads, and a patient must not (L51)."""


class NotReleasable(InvalidTransaction):
    """The request is not waiting for a release (L54)."""

    def __init__(self, *, request: bytes, why: str) -> None:
        super().__init__(f"request {request.hex()}: {why}")
        self.request = request
        self.why = why


class NotReleased(InvalidTransaction):
    """There is no release that a receipt could be given for (L56)."""


class AlreadyReviewed(InvalidTransaction):
    """The opening has its review (L73)."""


class AlreadyRequested(InvalidTransaction):
    """The erasure was demanded before (L85)."""


class AnchorOutOfTime(InvalidTransaction):
    """A stretch of the audit log ends in the future, or not after the last one (L81)."""

    def __init__(self, *, until_ms: TimestampMs, after_ms: TimestampMs, now_ms: TimestampMs) -> None:
        super().__init__(f"{until_ms} is not after {after_ms} and up to {now_ms}")
        self.until_ms = until_ms
        self.after_ms = after_ms
        self.now_ms = now_ms


class ReaderSuspended(InvalidTransaction):
    """The reader is not a member in good standing any more; nothing is released to it (L54)."""

    def __init__(self, *, reader: InstitutionId) -> None:
        super().__init__(f"institution {reader.hex()} is not an active member")
        self.reader = reader
