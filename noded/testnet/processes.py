"""Real processes that run the homes of a testnet, and whoever starts them sees them end."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from noded.client.answers import NodeUnreachable, Refused
from noded.client.http import NodeClient
from noded.errors import NodedError
from noded.ops.home import FOUNDER_NAME, read_institution
from noded.testnet.creating import homes
from noded.types.genesis import Institution

LOG_NAME: Final = "node.log"
"""What a node's process writes to stdout and stderr, in its home."""

READY_S: Final = 120.0
"""A node is ready within two seconds of its own machine; here many may start on two busy cores."""

STOP_S: Final = 30.0
"""After SIGTERM; a node takes up to two seconds of a processor that it may have to share."""

LOOK_S: Final = 0.02
"""Between looks whether a node is ready."""

LAST_LINES: Final = 5
"""Of a log, quoted where a process ended too early."""

_PR_SET_PDEATHSIG: Final = 1


class NodeFailed(NodedError):
    """A node's process ended, or did not become ready."""

    def __init__(self, home: Path, why: str, log: str) -> None:
        super().__init__(f"{home}: {why}" + (f"; its log ends with\n{log}" if log else ""))
        self.home = home
        self.why = why


class NodeProcess:
    """One home, and the process that runs it while there is one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.institution: Institution = read_institution(home / FOUNDER_NAME)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process, which must run."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that its processes wrote so far."""
        path = self.home / LOG_NAME
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(
        self,
        *,
        module: str = "noded",
        environment: Mapping[str, str] | None = None,
        limits: Callable[[], None] | None = None,
    ) -> None:
        """
        Start a process; it ends with the one that started it, whatever happens to that.

        Args:
            module: The program, which takes `start --home HOME`.
            environment: Variables on top of this process's own.
            limits: Called in the new process before the node's program begins, to set limits on it.
        """
        assert not self.is_running

        def prepare() -> None:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if limits is not None:
                limits()

        with (self.home / LOG_NAME).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "start", "--home", str(self.home)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=prepare,
            )

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """
        Wait until the node serves its clients.

        Raises:
            NodeFailed: It ended, or took too long.
        """
        deadline = time.monotonic() + timeout_s
        with NodeClient.in_home(self.home) as client:
            while True:
                try:
                    client.get_bytes("/readyz")
                    return
                except (NodeUnreachable, Refused) as error:
                    why = str(error)
                if not self.is_running:
                    raise self._failed(f"the process ended with code {self.wait(0)}")
                if time.monotonic() > deadline:
                    raise self._failed(f"not ready after {timeout_s:.0f} s: {why}")
                time.sleep(LOOK_S)

    def wait(self, timeout_s: float = STOP_S) -> int:
        """
        The process's exit code, once it has ended; negative for a signal.

        Raises:
            NodeFailed: It goes on.
        """
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self._failed(f"the process still runs after {timeout_s:.0f} s") from None

    def stop(self) -> int:
        """End the process as an operator does; returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End the process as a crash does."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def _failed(self, why: str) -> NodeFailed:
        return NodeFailed(self.home, why, "\n".join(self.log.splitlines()[-LAST_LINES:]))


class Testnet:
    """All nodes of a testnet's folder; none of its processes outlives the context."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: Sequence[NodeProcess] = [NodeProcess(home) for home in homes(folder)]

    def start(self) -> None:
        """
        Start all nodes and wait until all are ready.

        Raises:
            NodeFailed: One of them is not.
        """
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_ready()

    def stop(self) -> list[int]:
        """End all processes that run; returns their exit codes."""
        running = [node for node in self.nodes if node.is_running]
        for node in running:
            node.signal(signal.SIGTERM)
        return [node.wait() for node in running]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in self.nodes:
            if node.is_running:
                node.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for node in self.nodes:
            while node.is_running and time.monotonic() < deadline:
                time.sleep(LOOK_S)
            if node.is_running:
                node.kill()
