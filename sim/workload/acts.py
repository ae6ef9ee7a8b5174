"""Acts of a scenario: votes on members, newcomers that join, records that institutions read at each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never, cast

from noded.ledger.commit import CommittedBlock
from noded.types.ids import Epoch
from noded.types.medical import ConsentId, PatientId, RecordId, RequestId, WrapHash
from noded.types.operations.consent import AccessReceipt, AccessRelease, ReceiptResult
from noded.types.operations.identity import PatientRegister
from noded.types.operations.membership import (
    Action,
    Admit,
    GovPropose,
    GovVote,
    OrgRegister,
    Remove,
    Uphold,
    ValidatorReady,
)
from sim.cluster import Cluster
from sim.host import Host
from sim.observer import Observer
from sim.scenario import acts as spec
from sim.scenario.explicit import founding_nodes
from sim.streams import Stream
from sim.workload.accounts import make_account
from sim.workload.desk import Desk
from sim.workload.operations import grant_consent, noise, register_record, request_access

AGAIN_NS = 1_000_000_000
"""Where nobody may propose or vote, it is tried again after this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relation:
    """A patient at one institution whose record another may read."""

    custodian: int
    reader: int
    record: RecordId
    consent: ConsentId


class Acts(Observer):
    """Lets the acts of a scenario happen, as institutions would do them: by transactions at their own nodes."""

    def __init__(self, cluster: Cluster, desk: Desk) -> None:
        self._cluster = cluster
        self._desk = desk
        self._acts = cluster.scenario.act
        self._stream = Stream(cluster.scenario.seed, "acts")
        founders = founding_nodes(cluster.scenario)
        self._strangers = {node for node in range(len(cluster.hosts)) if node not in founders}
        """Whom the ledger does not know yet."""
        self._joining: dict[int, Epoch | None] = {}
        """Who is on its way into a table, and the last epoch in which it said that its node runs."""

    def start(self) -> None:
        """Schedule all of them."""
        for act in self._acts:
            self._cluster.engine.at(act.at, partial(self._begin, act))

    def stored(self, host: Host, committed: CommittedBlock) -> None:
        """Who is admitted says in every epoch that its node runs, until it is in the table (L109)."""
        if any(
            placed.event.name == "org.admitted" and placed.event.subject == host.name
            for placed in committed.events
        ):
            self._joining[host.index] = None
        if host.index not in self._joining:
            return
        validators = host.node.validators
        if host.name in validators:
            del self._joining[host.index]
        elif self._joining[host.index] != validators.epoch:
            self._joining[host.index] = validators.epoch
            consensus = make_account(self._cluster.consortium.keys[host.index].consensus)
            ready = ValidatorReady(epoch=validators.epoch, key=consensus.public_key)
            self._desk.send(host.index, ready, cosigners=[consensus])

    def _begin(self, act: spec.Act) -> None:
        match act:
            case spec.Admit():
                for node in _listed(act.nodes):
                    self._admit(node, _listed(act.voters))
            case spec.Remove():
                for node in _listed(act.nodes):
                    self._decide(Remove(institution=self._cluster.hosts[node].name), _listed(act.voters))
            case spec.Serve():
                for custodian in _listed(act.nodes):
                    for reader in _listed(act.readers):
                        if reader != custodian:
                            self._relate(act, custodian, reader)
            case _:
                assert_never(act)

    # Votes

    def _admit(self, node: int, voters: Sequence[int]) -> None:
        action = Admit(institution=self._cluster.hosts[node].name)
        if node not in self._strangers:
            self._decide(action, voters)
            return
        sponsor = self._sponsor(voters)
        if sponsor is None:
            self._again(partial(self._admit, node, voters))
            return
        self._strangers.remove(node)
        consortium = self._cluster.consortium
        keys = consortium.keys[node]
        self._desk.send(
            sponsor,
            OrgRegister(institution=consortium.institutions[node]),
            lambda applied: self._decide(action, voters, sponsor=sponsor),
            cosigners=[make_account(keys.account), make_account(keys.consensus)],
        )

    def _decide(self, action: Action, voters: Sequence[int], *, sponsor: int | None = None) -> None:
        """One of the voters proposes, all vote for it."""
        proposer = self._sponsor(voters) if sponsor is None else sponsor
        if proposer is None:
            self._again(partial(self._decide, action, voters))
            return
        id = self._stream.bytes(16)

        def vote(applied: bool) -> None:
            for voter in filter(self._may_vote, voters if applied else ()):
                self._desk.send(voter, GovVote(proposal=id, approve=True))

        self._desk.send(proposer, GovPropose(proposal=id, action=action), vote)

    def _sponsor(self, voters: Sequence[int]) -> int | None:
        able = [voter for voter in voters if self._may_vote(voter)]
        return self._stream.choice(able) if able else None

    def _may_vote(self, node: int) -> bool:
        host = self._cluster.hosts[node]
        return host.is_up and host.name in host.node.validators

    def _again(self, what: "partial[None]") -> None:
        self._cluster.engine.at(self._cluster.engine.now + AGAIN_NS, what)

    # Reading

    def _relate(self, act: spec.Serve, custodian: int, reader: int) -> None:
        """A patient, a record and a consent, one after another; then the first reading."""
        stream, desk = self._stream, self._desk
        patient, account = PatientId(stream.bytes(16)), make_account(stream.bytes(32))
        record = register_record(stream, patient)
        consent = grant_consent(stream, patient, self._cluster.hosts[reader].name)
        relation = _Relation(
            custodian=custodian, reader=reader, record=record.record, consent=consent.consent
        )
        desk.send(
            custodian,
            PatientRegister(patient=patient, key=account.public_key),
            lambda _: desk.send(
                custodian,
                record,
                lambda _: desk.send(custodian, consent, lambda _: self._read(act, relation), sender=account),
            ),
            cosigners=[account],
        )

    def _read(self, act: spec.Serve, relation: _Relation) -> None:
        """Request, release, receipt; and the same again some time later."""
        engine, desk = self._cluster.engine, self._desk
        if engine.now >= act.at + act.span:
            return
        asked = request_access(self._stream, [relation.record], relation.consent)
        release = AccessRelease(request=asked.request, wrap_hash=WrapHash(noise(asked.request, "wrap")))
        result = ReceiptResult.READ if act.is_readable else ReceiptResult.UNREADABLE
        receipt = AccessReceipt(request=asked.request, result=result)
        desk.send(
            relation.reader,
            asked,
            lambda _: desk.send(
                relation.custodian,
                release,
                lambda _: desk.send(
                    relation.reader, receipt, lambda _: self._received(act, relation, asked.request)
                ),
            ),
        )
        engine.at(engine.now + act.every, partial(self._read, act, relation))

    def _received(self, act: spec.Serve, relation: _Relation, request: RequestId) -> None:
        if not act.is_readable:
            everybody = range(len(self._cluster.hosts))
            self._decide(Uphold(request=request), everybody, sponsor=relation.reader)


def _listed(selector: object) -> list[int]:
    return cast(list[int], selector)
