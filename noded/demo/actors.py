"""The people and institutions of the story: each with its own node, keys and way of asking."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from noded.api.backend import Kept, VersionsKept, VersionsToKeep, VersionToKeep
from noded.client.answers import POSTED_MAX, Posted, Refused
from noded.client.http import NodeClient
from noded.client.transactions import KeyPair, TransactionBuilder, key_pair
from noded.client.wallet import Wallet
from noded.codec.schema import decode_value, encode_value
from noded.errors import NodedError
from noded.keys.keystore import open_keystore
from noded.keys.names import ACCOUNT
from noded.testnet.processes import NodeProcess
from noded.types.ids import ChainId, Height, InstitutionId
from noded.types.medical import ActorId
from noded.types.operations import Operation
from noded.types.transaction import SignedTransaction

FINAL_S: Final = 60.0
"""For a transaction to become final; a busy machine may take seconds."""

VALID_HEIGHTS: Final = 50_000
"""Heights for which a transaction of the story may be executed: more than the story has."""

KEEP_BYTES_MAX: Final = 4 * 1024 * 1024
KEEP_COUNT_MAX: Final = 200
"""Versions handed to a custodian at a time."""


class StoryBroken(NodedError):
    """A step of the story did not come about, so what follows cannot be told."""


@dataclass(slots=True)
class Clock:
    """How long transactions took to become final, as their senders saw it."""

    finality_ms: list[float] = field(default_factory=list)
    transactions: int = 0


class Institution:
    """A member with a node of its own."""

    def __init__(self, process: NodeProcess, chain_id: ChainId, clock: Clock) -> None:
        self.process = process
        self.name = process.institution.legal_name
        self.id: InstitutionId = process.institution.id
        self.client = NodeClient.in_home(process.home, timeout_s=FINAL_S)
        self.actor = ActorId(os.urandom(16))
        """A person of the institution: the one who reads, opens or reviews."""
        self._clock = clock
        self._chain_id = chain_id
        self._builder = self.builder(key_pair(open_keystore(process.home / "keys", None).secret(ACCOUNT)))

    def builder(self, key: KeyPair) -> TransactionBuilder:
        """Signs with a key of this institution or of a patient of it."""
        numbers = count(1)
        return TransactionBuilder(
            chain_id=self._chain_id,
            key=key,
            next_sequence=lambda: next(numbers),
            valid_until=lambda: Height(VALID_HEIGHTS),
        )

    def build(self, *operations: Operation, cosigners: Sequence[KeyPair] = ()) -> SignedTransaction:
        """A transaction of the institution."""
        return self._builder.build(*operations, cosigners=cosigners)

    def send(self, *transactions: SignedTransaction) -> list[Posted]:
        """
        Hand transactions in and wait until all are final.

        Raises:
            StoryBroken: One was not taken, or is not final in time.
        """
        results: list[Posted] = []
        for start in range(0, len(transactions), POSTED_MAX):
            part = [each.encoding for each in transactions[start : start + POSTED_MAX]]
            began = time.monotonic()
            posted = self.client.post_transactions(part, wait_s=FINAL_S)
            took_ms = (time.monotonic() - began) * 1000
            for each in posted:
                if each.refused is not None or each.height is None:
                    raise StoryBroken(
                        f"{self.name}: a transaction is not final: {each.refused or 'no block'}"
                    )
                self._clock.finality_ms.append(took_ms)
            results += posted
        self._clock.transactions += len(transactions)
        return results

    def do(self, *operations: Operation, cosigners: Sequence[KeyPair] = ()) -> Posted:
        """Send one transaction of the institution; it must take effect."""
        posted = self.send(self.build(*operations, cosigners=cosigners))[0]
        return applied(posted)

    def keep(self, versions: Sequence[VersionToKeep]) -> list[Kept]:
        """Have contents encrypted and kept, some at a time."""
        kept: list[Kept] = []
        waiting: list[VersionToKeep] = []
        size = 0
        for version in versions:
            if waiting and (size + len(version.content) > KEEP_BYTES_MAX or len(waiting) == KEEP_COUNT_MAX):
                kept += self._keep(waiting)
                waiting, size = [], 0
            waiting.append(version)
            size += len(version.content)
        return kept + (self._keep(waiting) if waiting else [])

    def look(self, path: str) -> Any:
        """What this institution's node says at a path."""
        return self.client.get(path)

    def look_until(self, path: str, wait_s: float = FINAL_S) -> Any:
        """The same, for what takes a moment to come."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                return self.client.get(path)
            except Refused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _keep(self, versions: Sequence[VersionToKeep]) -> list[Kept]:
        body = encode_value(VersionsToKeep(versions=tuple(versions)))
        answer = self.client.post_bytes("/v1/custody/versions", body)
        return list(decode_value(VersionsKept, answer, max_bytes=len(answer)).versions)


@dataclass(slots=True)
class PatientActor:
    """A patient, who has nothing but a wallet and asks through the custodian's node."""

    custodian: Institution
    wallet: Wallet
    builder: TransactionBuilder

    def do(self, *operations: Operation) -> Posted:
        """Send a transaction under the patient's own key; it must take effect."""
        return applied(self.custodian.send(self.builder.build(*operations))[0])


def applied(posted: Posted) -> Posted:
    """A final transaction that took effect; raises `StoryBroken` for any other."""
    if not posted.is_applied:
        raise StoryBroken(f"a transaction had no effect: {posted.error}: {posted.detail}")
    return posted
