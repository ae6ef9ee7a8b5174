"""An institution's desk: signs its transactions and its patients', and has its node see them through."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from noded.api.backend import VersionsKept, VersionsToKeep
from noded.client.answers import Posted
from noded.client.http import NodeClient
from noded.client.transactions import KeyPair, TransactionBuilder, key_pair
from noded.client.wallet import Wallet
from noded.codec.schema import decode_value, encode_value
from noded.config import load
from noded.crypto.kdf import hkdf
from noded.errors import NodedError
from noded.keys.errors import NamedKeyMissing
from noded.keys.keystore import Keystore
from noded.keys.names import ACCOUNT, DATA
from noded.keys.rotation import find_seed, keys_for
from noded.ops.home import open_keys
from noded.ops.patients import Patients
from noded.types.ids import ChainId, Height, InstitutionId, PublicKey
from noded.types.medical import ID_BYTES, ActorId
from noded.types.operations import Operation
from noded.types.transaction import SignedTransaction

VALID_HEIGHTS: Final = 1000
"""How many blocks a transaction stays valid: some minutes under load, hours where the chain is idle."""

FINAL_S: Final = 60.0
"""For a transaction to become final; it may still do so later."""

ATTEMPTS: Final = 5
"""With fresh sequences, where others send for the same key."""

SEQUENCE_ERRORS: Final = ("SequenceUsed", "SequenceTooOld")

ON_ITS_WAY: Final = "AlreadyKnown"
"""The very transaction was handed in a short time ago, by another command that does the same."""

NO_ROOM: Final = "PoolFull"
"""As many transactions wait at the node as it takes; others send for it as well."""

PAUSE_S: Final = 0.5
"""Before a transaction for which there was no room is handed in again; a block or two."""

ANSWER_BYTES_MAX: Final = 1024 * 1024


class Rejected(NodedError):
    """A transaction took no effect; `reason` is the name of the rule's error."""

    def __init__(self, *, operation: str, reason: str, detail: str) -> None:
        super().__init__(f"{operation}: {reason}: {detail}" if detail else f"{operation}: {reason}")
        self.operation = operation
        self.reason = reason
        self.detail = detail


class NotFinal(NodedError):
    """A transaction was handed in but is not final yet."""

    def __init__(self, signed: SignedTransaction) -> None:
        super().__init__(
            f"transaction {signed.hash.hex()} is not final after {FINAL_S:g} s; see `noded status`, then"
            f" `noded tx wait {signed.hash.hex()}`"
        )
        self.transaction = signed.hash


class Desk:
    """
    An institution's desk; a context manager.

    `latencies_ms` holds how long each transaction that was waited for took from being handed in to being final.
    """

    def __init__(
        self,
        home: Path,
        *,
        keystore: Keystore | None = None,
        at_least: int | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        Use the node that runs in a home, and the keys there.

        Args:
            home: Of the node.
            keystore: Open already; None to open it as the home's settings say.
            at_least: The height at or after which all that the node says is to hold; None for its own.
            random_bytes: Where ids come from.

        Raises:
            ConfigError: The settings or the keystore cannot be used.
            NodeUnreachable: No node runs in the home.
        """
        self.home = home
        self.node = NodeClient.in_home(home, at_least=at_least)
        self.random_bytes = random_bytes
        self.latencies_ms: list[float] = []
        self.transactions = 0
        """Its own, and those of its patients, that are final and took effect."""
        self.height: Height | None = None
        """Of the last block in which one of them is."""
        named = self.node.get("/v1/status")
        self.me = InstitutionId(bytes.fromhex(named["institution"]))
        self.chain_id = ChainId(bytes.fromhex(named["chain_id"]))
        self.keystore = open_keys(load(home, os.environ)) if keystore is None else keystore
        self.account = key_pair(self._account_seed())
        self._sequences: dict[PublicKey, int] = {}
        """The next of each key that has signed here."""
        self._ahead = 0
        """How far above the ledger's next sequence a key begins: out of the way of others that send for it."""
        self._data_key: bytes | None = None
        self._patients: Patients | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.node.__exit__(kind, error, trace)

    def _account_seed(self) -> bytes:
        """Of the account key that the ledger names; nobody is asked where there is but one (K7)."""
        names = [info.name for info in keys_for(self.keystore.folder, ACCOUNT)]
        if len(names) < 2:
            return self.keystore.secret(names[0] if names else ACCOUNT)
        named = PublicKey(bytes.fromhex(self.entry("institutions", self.me)["institution"]["account_key"]))
        seed = find_seed(self.keystore, ACCOUNT, named)
        if seed is None:
            raise NamedKeyMissing(self.keystore.folder, ACCOUNT, named)
        return seed

    @property
    def data_key(self) -> bytes:
        """Under which the home keeps what it must keep secret."""
        if self._data_key is None:
            self._data_key = self.keystore.secret(DATA)
        return self._data_key

    @property
    def patients(self) -> Patients:
        """Those whose wallets are kept in the home."""
        if self._patients is None:
            self._patients = Patients(self.home, self.data_key, self.me, random_bytes=self.random_bytes)
        return self._patients

    def new_id(self) -> bytes:
        """A fresh random id."""
        return self.random_bytes(ID_BYTES)

    def actor(self, name: str) -> ActorId:
        """The pseudonym of somebody in this institution: always the same, and says nothing to others."""
        return ActorId(hkdf(self.data_key, info=b"noded/actor/1" + name.encode(), size=ID_BYTES))

    def entry(self, kind: str, id: bytes) -> dict[str, Any]:
        """
        A thing on the ledger by its id, as JSON.

        Raises:
            Refused: There is none, or the node does not say.
        """
        value: dict[str, Any] = self.node.get(f"/v1/{kind}/{id.hex()}")["value"]
        return value

    def send(
        self, *operations: Operation, key: KeyPair | None = None, cosigners: Sequence[KeyPair] = ()
    ) -> Posted:
        """
        Have operations carried out as one transaction, and wait until that is final.

        Args:
            operations: Up to OPERATIONS_MAX.
            key: Whose transaction it is; None for the institution's.
            cosigners: Others that must agree.

        Raises:
            Rejected: It took no effect.
            NotFinal: It is not final in time.
            NodeUnreachable, Refused: The node did not take it.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return self.see_through(self.sign(*operations, key=key, cosigners=cosigners))
            except Rejected as error:
                if error.reason not in SEQUENCE_ERRORS:
                    raise
                self._sequences.clear()
                self._ahead = self.random_bytes(1)[0]  # A quarter of the window of L4.
        return self.see_through(self.sign(*operations, key=key, cosigners=cosigners))

    def hand_in(self, signed: SignedTransaction, *, wait_s: float = 0) -> Posted:
        """Hand in a transaction, for FINAL_S again where there is no room for it, and wait up to a time for it to be final."""
        deadline = time.monotonic() + FINAL_S
        while True:
            (posted,) = self.node.post_transactions([signed.encoding], wait_s=wait_s)
            if posted.refused != NO_ROOM or time.monotonic() >= deadline:
                return posted
            time.sleep(PAUSE_S)

    def see_through(self, signed: SignedTransaction) -> Posted:
        """Hand in a transaction and wait until it is final; errors as `send`."""
        began = time.monotonic()
        posted = self.hand_in(signed, wait_s=FINAL_S)
        reason = posted.error if posted.refused == ON_ITS_WAY else posted.refused or posted.error
        if reason is not None:
            operations = signed.transaction.body.operations
            names = ", ".join(dict.fromkeys(operation.name for operation in operations))
            raise Rejected(operation=names, reason=reason, detail=posted.detail)
        if posted.height is None:
            raise NotFinal(signed)
        self.seen_final(posted.height)
        self.latencies_ms.append((time.monotonic() - began) * 1000)
        return posted

    def seen_final(self, height: Height) -> None:
        """Note that a transaction took effect in the block at a height."""
        self.transactions += 1
        self.height = height if self.height is None else max(self.height, height)

    def send_as(self, wallet: Wallet, custodian: InstitutionId, *operations: Operation) -> Posted:
        """Send as the patient who has this wallet; errors as `send`."""
        return self.send(*operations, key=wallet.key(custodian))

    def sign(
        self, *operations: Operation, key: KeyPair | None = None, cosigners: Sequence[KeyPair] = ()
    ) -> SignedTransaction:
        """A transaction with the next sequence of its sender, as far as this desk knows."""
        sender = self.account if key is None else key
        account = self.node.get(f"/v1/accounts/{sender.public.hex()}")
        sequence = self._sequences.get(sender.public, account["value"]["next_sequence"] + self._ahead)
        self._sequences[sender.public] = sequence + 1
        height = Height(account["height"] + VALID_HEIGHTS)
        builder = TransactionBuilder(
            chain_id=self.chain_id,
            key=sender,
            next_sequence=lambda: sequence,
            valid_until=lambda: height,
        )
        return builder.build(*operations, cosigners=cosigners)

    def keep(self, versions: VersionsToKeep) -> VersionsKept:
        """Have versions of records encrypted and kept; errors as the node's."""
        answer = self.node.post_bytes("/v1/custody/versions", encode_value(versions))
        return decode_value(VersionsKept, answer, max_bytes=ANSWER_BYTES_MAX)
