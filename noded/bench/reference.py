"""
How fast this machine is at present: processor time of a fixed piece of work, of the kinds that nodes do.

A virtual machine is up to twice as slow at another hour, and a tenth within minutes. Figures of two times are compared
by what this piece took at either; it says nothing about nodes, so nothing is hidden by dividing by it. All cores are
busy with it at once, as they are with nodes under load: siblings of one core slow each other.

`python -m noded.bench.reference CORE` prints the microseconds of one piece on one core.
"""

import hashlib
import os
import socket
import statistics
import subprocess
import sys
import time
from typing import Final

import trio

from noded.crypto.signing import public_key_of, secret_of, sign, verify

PIECES: Final = 500
"""Whose median counts: some 0.7 s in all."""

OBJECTS: Final = 600
"""Small objects that are made, looked up, sorted and encoded in a piece: most of it."""

HASHED_BYTES: Final = 4096
HASHES: Final = 10
SIGNATURES: Final = 1
WRITES: Final = 30
"""Small messages through a pair of sockets."""


class Reference:
    """The piece of work, and what it needs."""

    def __init__(self) -> None:
        secret = secret_of(bytes(32))
        self._public = public_key_of(bytes(32))
        self._message = bytes(100)
        self._signature = sign(secret, self._message)
        self._data = bytes(HASHED_BYTES)
        self._near, self._far = socket.socketpair()

    def __enter__(self) -> "Reference":
        return self

    def __exit__(self, *exception: object) -> None:
        self._near.close()
        self._far.close()

    def do(self) -> bytes:
        """Do one piece; always the same, as its result shows."""
        table = {}
        for number in range(OBJECTS):
            key = (number * 7919 % OBJECTS).to_bytes(8, "big")
            table[key] = (number, str(number), {"height": number, "name": key.hex()})
        encoded = bytearray()
        for key in sorted(table):
            number, text, fields = table[key]
            encoded += key + text.encode() + bytes([number & 0xFF, len(fields)])
        digest = bytes(encoded)
        for _ in range(HASHES):
            digest = hashlib.sha256(self._data + digest[:32]).digest()
        for _ in range(SIGNATURES):
            assert verify(self._public, self._message, self._signature)
        for _ in range(WRITES):
            self._near.send(digest)
            self._far.recv(64)
        return digest

    def median_us(self, pieces: int = PIECES) -> float:
        """Microseconds of processor time that a piece takes; the median of so many."""
        took = []
        for _ in range(pieces):
            began = time.thread_time_ns()
            self.do()
            took.append(time.thread_time_ns() - began)
        return statistics.median(took) / 1000


async def reference_us() -> float:
    """What a piece takes in microseconds while all cores of this machine do the same; the mean of the cores."""
    found: list[float] = []

    async def measure(core: int) -> None:
        command = [sys.executable, "-m", "noded.bench.reference", str(core)]
        done = await trio.run_process(command, stdin=subprocess.DEVNULL, capture_stdout=True)
        found.append(float(done.stdout))

    async with trio.open_nursery() as nursery:
        for core in sorted(os.sched_getaffinity(0)):
            nursery.start_soon(measure, core)
    return statistics.mean(found)


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    with Reference() as reference:
        print(reference.median_us())
