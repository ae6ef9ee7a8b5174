"""A core at the end of an epoch, and in the next one."""

from noded.types.block import Block, BlockKind
from noded.types.messages import (
    EpochEntry,
    Proposal,
)
from tests.helpers.consensus_bench import (
    Bench,
    F,
)
from tests.helpers.consensus_values import (
    make_params,
    make_set,
)

SECOND_SET = make_set((1,) * 4, epoch=2)


def bench_at(epoch_length: int = 1, me: int = 0) -> Bench:
    return Bench(me, params=make_params(epoch_length=epoch_length, delta_ms=100))


def terminal_of(bench: Bench) -> Proposal:
    return bench.propose(1, bench.genesis, kind=BlockKind.TERMINAL, next_epoch_root=SECOND_SET.root)


def entry_of(bench: Bench, terminal: Block, *, seals: tuple[Block, ...] = ()) -> EpochEntry:
    last = (terminal, *seals)[-1]
    return EpochEntry(
        terminal=terminal.header,
        seals=tuple(seal.header for seal in seals),
        finalization=bench.certificate(F, view=last.header.view, block=last),
        table=SECOND_SET.table,
    )


def in_second_epoch(me: int = 0) -> tuple[Bench, Block]:
    bench = bench_at(me=me)
    terminal = terminal_of(bench)
    bench.hear(1, terminal)
    bench.vote([1, 2, 3], F, block=terminal.block)
    assert bench.core.epoch == 2
    return bench, terminal.block
