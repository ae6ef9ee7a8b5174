"""Institutions' own transactions: handed in at their nodes until they are final there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from noded.ledger.commit import CommittedBlock
from noded.node.effects import Answer
from noded.types.operations import Operation
from noded.types.transaction import SignedTransaction
from sim.cluster import Cluster
from sim.host import Host
from sim.observer import Observer
from sim.workload.accounts import Account, Notary

FIRST_TOKEN = 1 << 40
"""Of calls; clients' calls have lower ones."""

AGAIN_NS = 1_000_000_000
"""How often it is looked whether a node took a transaction, and still runs."""

Then = Callable[[bool], None]
"""Told once whether a final transaction was applied."""


@dataclass(slots=True)
class _Sent:
    node: int
    made: SignedTransaction
    then: Then
    life: int = 0
    """Of the node that has it; 0 while none has."""


class Desk(Observer):
    """Hands in transactions, at another time where a node is down or refuses, and says what became of them."""

    def __init__(self, cluster: Cluster, notary: Notary) -> None:
        self._cluster = cluster
        self._notary = notary
        self._sent: dict[bytes, _Sent] = {}
        self._names: set[bytes] = set()
        self._calls: dict[int, bytes] = {}
        self._token = FIRST_TOKEN

    def send(
        self,
        node: int,
        operation: Operation,
        then: Then = lambda applied: None,
        *,
        sender: Account | None = None,
        cosigners: Sequence[Account] = (),
    ) -> None:
        """
        Hand in an operation.

        Args:
            node: Whose gateway takes it.
            operation: The only one of its transaction.
            then: Called when it is final at this node.
            sender: None for the node's institution.
            cosigners: Further signers.
        """
        account = self._notary.account(node) if sender is None else sender
        height = self._cluster.hosts[node].archive.height
        made = self._notary.make(account, height, operation, cosigners)
        self._names.add(made.hash)
        self._sent[made.hash] = _Sent(node, made, then)
        self._see_to(made.hash)

    def is_submitted(self, name: bytes) -> bool:
        """Whether an institution made the transaction with this hash."""
        return name in self._names

    def answered(self, host: Host, answer: Answer) -> None:
        """A node takes a transaction, or does not now."""
        name = self._calls.pop(answer.token, None)
        sent = None if name is None else self._sent.get(name)
        if sent is not None and answer.submissions[0].refused is not None:
            sent.life = 0

    def stored(self, host: Host, committed: CommittedBlock) -> None:
        """What is final at its node is settled."""
        if not self._sent:
            return
        for entry in committed.entries:
            sent = self._sent.get(entry.hash)
            if sent is not None and sent.node == host.index:
                del self._sent[entry.hash]
                sent.then(entry.applied)

    def _see_to(self, name: bytes) -> None:
        sent = self._sent.get(name)
        if sent is None:
            return
        host, engine = self._cluster.hosts[sent.node], self._cluster.engine
        if host.is_up and sent.life != host.life:
            sent.life = host.life
            self._token += 1
            self._calls[self._token] = name
            host.submit(self._token, (sent.made.encoding,))
        engine.at(engine.now + AGAIN_NS, partial(self._see_to, name))
