"""The table of an epoch: who may vote with which power, and who proposes which view."""

from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from typing import Annotated, TypeVar

from noded.codec.schema import Limit, encode_value
from noded.crypto.merkle import merkle_root
from noded.types.frozen import frozen
from noded.types.ids import (
    VALIDATORS_MAX,
    Bitmap,
    Epoch,
    PublicKey,
    Root,
    ValidatorId,
    View,
    VotingPower,
    bitmap_indices,
)

_K = TypeVar("_K")
_V = TypeVar("_V")

PROPOSER_DOMAIN = b"noded/proposer/1"
COLLECTORS = 2
"""Validators to whom votes go under `linear` routing: one may be faulty."""

COLLECTOR_VIEWS_MAX = 256
"""Views searched for a second proposer; with two equal shares it misses once in 2^256."""

REMEMBERED_MAX = 4096
"""Views, or bitmaps, whose computed answers are kept; a bitmap of 4096 bits makes that 2 MiB."""

SHARE_MAX = 1_000_000_000_000


@frozen(kw_only=True)
class Validator:
    """One row of an epoch's table."""

    id: ValidatorId
    public_key: PublicKey
    """Consensus key: votes, proposals and batches."""
    power: VotingPower
    """Capped: counts in quorums."""
    raw_power: VotingPower
    """Before the cap: what next epoch's moves start from."""
    share: Annotated[int, Limit(0, SHARE_MAX)]
    """Proposer share; 0 for a member that must not propose."""
    reputation: Annotated[int, Limit(0, 1_000_000)]
    debt: Annotated[int, Limit(0, 1_000_000)]


@frozen(kw_only=True)
class ValidatorTable:
    """What `epoch root` commits to; ordered by id."""

    epoch: Epoch
    seed: Annotated[bytes, Limit(32, 32)]
    """Of the proposer lottery; known one epoch early."""
    round_robin: bool
    """Whether proposers take turns by id instead of being drawn."""
    validators: Annotated[tuple[Validator, ...], Limit(1, VALIDATORS_MAX)]
    _root: Root | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_root", None)


def table_root(table: ValidatorTable) -> Root:
    """Merkle root: a first leaf for epoch and seed, then one for each validator; computed once."""
    known = table._root
    if known is None:
        head = b"".join((table.epoch.to_bytes(8, "big"), table.seed, bytes((table.round_robin,))))
        known = Root(merkle_root([head, *(encode_value(validator) for validator in table.validators)]))
        object.__setattr__(table, "_root", known)
    return known


@dataclass(frozen=True, slots=True, eq=False)
class ValidatorSet:
    """
    An epoch's table with everything that is computed from it once; shared by all who use it.

    W is the total power, f = (W - 1) // 3 what may be faulty, Q = W - f a quorum.
    """

    table: ValidatorTable
    root: Root = field(init=False)
    total: int = field(init=False)
    quorum: int = field(init=False)
    index_by_id: dict[ValidatorId, int] = field(init=False)
    powers: tuple[int, ...] = field(init=False)
    _cumulative: tuple[int, ...] = field(init=False)
    _proposers: dict[View, ValidatorId] = field(init=False)
    _collectors: dict[View, tuple[ValidatorId, ...]] = field(init=False)
    _bitmap_powers: dict[Bitmap, int] = field(init=False)
    _mask_powers: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        validators = self.table.validators
        ids = [validator.id for validator in validators]
        assert ids == sorted(ids)
        assert len(frozenset(ids)) == len(ids)
        powers = tuple(int(validator.power) for validator in validators)
        total = sum(powers)
        shares = [validator.share for validator in validators]
        put = object.__setattr__
        put(self, "root", table_root(self.table))
        put(self, "total", total)
        put(self, "quorum", total - (total - 1) // 3)
        put(self, "index_by_id", {name: index for index, name in enumerate(ids)})
        put(self, "powers", powers)
        put(self, "_cumulative", tuple(accumulate(shares)))
        put(self, "_proposers", {})
        put(self, "_collectors", {})
        put(self, "_bitmap_powers", {})
        put(self, "_mask_powers", {})
        assert self._cumulative[-1] > 0, "somebody must be able to propose"

    @property
    def epoch(self) -> Epoch:
        """The epoch in which this set votes."""
        return self.table.epoch

    def __len__(self) -> int:
        return len(self.powers)

    def __contains__(self, validator: object) -> bool:
        return validator in self.index_by_id

    def ids(self) -> list[ValidatorId]:
        """All validators, in order."""
        return list(self.index_by_id)

    def public_key(self, validator: ValidatorId) -> PublicKey:
        """The consensus key of a validator of this epoch."""
        return self.table.validators[self.index_by_id[validator]].public_key

    def power(self, validator: ValidatorId) -> int:
        """The voting power of a validator; 0 for anyone else."""
        index = self.index_by_id.get(validator)
        return 0 if index is None else self.powers[index]

    def bitmap_power(self, bitmap: Bitmap) -> int:
        """The power in a bitmap whose bits all name validators of this epoch."""
        known = self._bitmap_powers.get(bitmap)
        if known is None:
            known = sum(self.powers[index] for index in bitmap_indices(bitmap))
            _remember(self._bitmap_powers, bitmap, known)
        return known

    def mask_power(self, mask: int) -> int:
        """The power of the validators whose bits are set; bits beyond the table count nothing."""
        known = self._mask_powers.get(mask)
        if known is None:
            known = sum(power for index, power in enumerate(self.powers) if mask >> index & 1)
            _remember(self._mask_powers, mask, known)
        return known

    def is_bitmap_valid(self, bitmap: Bitmap) -> bool:
        """Whether a bitmap has this epoch's length and names nobody beyond it."""
        size = len(self.powers)
        return len(bitmap) == (size + 7) // 8 and (
            size % 8 == 0 or not bitmap or bitmap[-1] >> (size % 8) == 0
        )

    def is_quorum(self, power: int) -> bool:
        """Whether this much power is more than two thirds: any two quorums share a correct validator."""
        return power >= self.quorum

    def is_weak_quorum(self, power: int) -> bool:
        """Whether this much power is more than a third, so that one of its holders is correct."""
        return 3 * power > self.total

    def proposer(self, view: View) -> ValidatorId:
        """
        Who may propose in a view.

        A draw by share from a hash of seed and view; never from certificates, of which several valid ones
        exist for one view.
        """
        known = self._proposers.get(view)
        if known is None:
            validators = self.table.validators
            if self.table.round_robin:
                able = [validator.id for validator in validators if validator.share > 0]
                known = able[(view + int.from_bytes(self.table.seed[:8], "big")) % len(able)]
            else:
                digest = sha256(PROPOSER_DOMAIN + self.table.seed + view.to_bytes(8, "big")).digest()
                drawn = int.from_bytes(digest, "big") * self._cumulative[-1] >> 256
                known = validators[bisect_right(self._cumulative, drawn)].id
            _remember(self._proposers, view, known)
        return known

    def collectors(self, view: View) -> tuple[ValidatorId, ...]:
        """The first two distinct proposers from this view on: who gathers its votes under `linear`."""
        known = self._collectors.get(view)
        if known is None:
            found = [self.proposer(view)]
            ahead = view
            while len(found) < COLLECTORS and ahead < view + COLLECTOR_VIEWS_MAX:
                ahead = View(ahead + 1)
                candidate = self.proposer(ahead)
                if candidate not in found:
                    found.append(candidate)
            known = tuple(found)
            _remember(self._collectors, view, known)
        return known


def _remember(known: dict[_K, _V], key: _K, value: _V) -> None:
    """Keep what was computed, in bounded memory."""
    if len(known) >= REMEMBERED_MAX:
        known.clear()
    known[key] = value
