"""Judging signatures: at once while they are few, and in worker threads where they are many."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

import trio

from noded.consensus.effects import signatures_of
from noded.crypto.signing import verify_many
from noded.metrics import Metrics
from noded.node.effects import Effect, Verify
from noded.node.inputs import Verified
from noded.types.checks import SignatureCheck

THREAD_CHECKS_MIN = 100
"""Signatures worth a worker thread: a hop costs about as much as one check."""

THREAD_CHUNK = 128
"""Signatures of one worker; two workers run at once on two cores."""


class Judge:
    """Answers Verify."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        at_once: Callable[[Verified], None],
        later: Callable[[Verified], Awaitable[None]],
    ) -> None:
        self._metrics = metrics
        self._at_once = at_once
        self._later = later
        self._threads = trio.CapacityLimiter(2)

    def judge(self, effects: Sequence[Effect], nursery: trio.Nursery) -> None:
        """Judge what effects ask for: few signatures now, so that their step comes next; many in the nursery."""
        for effect in effects:
            if isinstance(effect, Verify):
                signatures = [signatures_of(check) for check in effect.checks]
                count = sum(map(len, signatures))
                self._metrics.signatures.inc(count)
                if count < THREAD_CHECKS_MIN:
                    with self._metrics.verify.time():
                        verdicts = tuple(all(verify_many(each)) for each in signatures)
                    self._at_once(Verified(effect.token, verdicts))
                else:
                    nursery.start_soon(self._judge_in_threads, effect.token, signatures)

    async def _judge_in_threads(self, token: int, signatures: list[list[SignatureCheck]]) -> None:
        flat = [signature for each in signatures for signature in each]
        good: dict[int, list[bool]] = {}

        async def judge(start: int) -> None:
            chunk = flat[start : start + THREAD_CHUNK]
            good[start] = await trio.to_thread.run_sync(verify_many, chunk, limiter=self._threads)

        with self._metrics.verify.time():
            async with trio.open_nursery() as nursery:
                for start in range(0, len(flat), THREAD_CHUNK):
                    nursery.start_soon(judge, start)
        verdicts = iter([verdict for start in sorted(good) for verdict in good[start]])
        results = tuple(all(tuple(islice(verdicts, len(each)))) for each in signatures)
        await self._later(Verified(token, results))
