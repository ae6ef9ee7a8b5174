"""What the network can do on this machine: two nodes in one process, over loopback (all figures for both ends)."""

import time
from dataclasses import dataclass

import trio
from nacl.signing import SigningKey

from noded.network.interface import InstitutionId, Lane, PeerInfo
from noded.network.limits import Rates
from noded.network.swarm import Libp2pNetwork

ROUND_TRIPS = 2_000
"""Enough for a 99th percentile of twenty samples."""

MESSAGES = 100_000
"""Half a second's worth."""

LARGE_MESSAGES = 200
"""Of LARGE_BYTES each."""

LARGE_BYTES = 1_000_000
"""Near the largest that fits a frame."""

SMALL_BYTES = 200
"""About a vote."""

UNLIMITED = Rates(
    frames=1e9, consensus_messages=1e9, consensus_bytes=1e12, bulk_messages=1e9, bulk_bytes=1e12, burst_s=1.0
)
"""Rates that never slow down: it is the code that is measured, not the limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Results of `measure`."""

    round_trip_p50_ms: float
    round_trip_p99_ms: float
    """One 200-byte message there and one back on the consensus lane, alone."""
    round_trip_cpu_ms: float
    messages_per_s: float
    """200-byte messages one way on the bulk lane, sent as fast as the queue takes them."""
    message_cpu_us: float
    megabytes_per_s: float
    """One way in messages of 1 MB."""


class _End:
    """One node: sends back what comes on the consensus lane if told to, counts what comes."""

    def __init__(self, number: int) -> None:
        seed = bytes([number]) * 32
        self.peer: InstitutionId = bytes([number]) * 16
        self.key = bytes(SigningKey(seed).verify_key)
        self.echoes = False
        self.up = trio.Event()
        self._missing = 0
        self._arrived = trio.Event()
        self.network = Libp2pNetwork(
            me=self.peer,
            seed=seed,
            chain_id=bytes(32),
            listen=("127.0.0.1", 0),
            handler=self,
            rates=UNLIMITED,
        )

    async def on_peer_up(self, peer: InstitutionId) -> None:
        self.up.set()

    async def on_peer_down(self, peer: InstitutionId, reason: str) -> None:
        """Nothing to do: the measurement fails by itself."""

    async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._arrived.set()
        if self.echoes:
            self.network.send(peer, lane, payload)

    async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
        return payload

    def expect(self, count: int) -> trio.Event:
        """An event set when so many messages have come."""
        self._missing, self._arrived = count, trio.Event()
        return self._arrived


async def _send_all(sender: _End, receiver: _End, payload: bytes, count: int) -> None:
    arrived = receiver.expect(count)
    for number in range(count):
        while not sender.network.send(receiver.peer, Lane.BULK, payload):
            await trio.sleep(0.001)
        if number % 1000 == 0:
            await trio.lowlevel.checkpoint()
    await arrived.wait()


async def measure() -> Measured:
    """Measure for some seconds."""
    one, two = _End(1), _End(2)
    async with trio.open_nursery() as nursery:
        addresses = [await nursery.start(end.network.run) for end in (one, two)]
        infos = [
            PeerInfo(peer=end.peer, network_key=end.key, addresses=(f"{host}:{port}",))
            for end, (host, port) in zip((one, two), addresses, strict=True)
        ]
        for end in (one, two):
            end.network.set_members(infos)
        await one.up.wait()
        await two.up.wait()

        two.echoes = True
        times_s = []
        cpu_s = time.process_time()
        for _ in range(ROUND_TRIPS):
            arrived = one.expect(1)
            begun_s = time.perf_counter()
            one.network.send(two.peer, Lane.CONSENSUS, bytes(SMALL_BYTES))
            await arrived.wait()
            times_s.append(time.perf_counter() - begun_s)
        round_trip_cpu_s = (time.process_time() - cpu_s) / ROUND_TRIPS
        times_s.sort()
        two.echoes = False

        begun_s, cpu_s = time.perf_counter(), time.process_time()
        await _send_all(one, two, bytes(SMALL_BYTES), MESSAGES)
        small_s, small_cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s

        begun_s = time.perf_counter()
        await _send_all(one, two, bytes(LARGE_BYTES), LARGE_MESSAGES)
        large_s = time.perf_counter() - begun_s
        nursery.cancel_scope.cancel()
    return Measured(
        round_trip_p50_ms=1e3 * times_s[ROUND_TRIPS // 2],
        round_trip_p99_ms=1e3 * times_s[ROUND_TRIPS * 99 // 100],
        round_trip_cpu_ms=1e3 * round_trip_cpu_s,
        messages_per_s=MESSAGES / small_s,
        message_cpu_us=1e6 * small_cpu_s / MESSAGES,
        megabytes_per_s=LARGE_MESSAGES * LARGE_BYTES / 1e6 / large_s,
    )
