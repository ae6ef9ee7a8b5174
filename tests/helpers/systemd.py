"""
A real systemd as the first process of its own namespaces: units are started, watched and stopped as on a machine.

It sees the machine's files through an overlay that keeps all changes in memory, has a network of its own without a
way out, and ends with the test.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, TypeVar

T = TypeVar("T")

SYSTEMD: Final = Path("/lib/systemd/systemd")
SCRIPT: Final = Path(__file__).with_name("systemd_guest.sh")
NAMESPACES: Final = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
PATH: Final = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PR_SET_PDEATHSIG: Final = 1

LONG_S: Final = 300.0
"""For anything that takes a second on a machine that has nothing else to do."""


class CannotBoot(Exception):
    """This machine does not let a test make namespaces and mounts; the message says what it lacks."""


class CommandFailed(AssertionError):
    """A command in the guest failed."""


class Guest:
    """One booted systemd; a context manager."""

    def __init__(self, folder: Path, *, shown: Mapping[Path, str], environment: Mapping[str, str]) -> None:
        """
        Prepare; entering the context boots.

        Args:
            folder: Empty; the guest's files are mounted over it, where only the guest sees them.
            shown: Folders of the machine, and the place where the guest sees them.
            environment: Of commands that `run` starts, besides PATH.

        Raises:
            CannotBoot: It would not work here.
        """
        self._folder = folder
        self._shown = shown
        self._environment = {"PATH": PATH, **environment}
        self._cgroup = _own_cgroup() / f"noded-test-{os.getpid()}"
        self._process: subprocess.Popen[str] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        try:
            self._boot()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def run(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command as root in the guest; its exit code must be this one, or any for None."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._pid), "-a", "-r", "-w", *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONG_S,
            check=False,
        )
        if code is not None and done.returncode != code:
            raise CommandFailed(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str) -> None:
        """Make a file in the guest, with the folders that it needs."""
        self.run("sh", "-c", 'mkdir -p "${1%/*}" && printf %s "$2" >"$1"', "sh", path, text)

    def read(self, path: str) -> str:
        """What is in a file of the guest."""
        return self.run("cat", path).stdout

    def read_link(self, path: str) -> str:
        """Where a link of the guest points to."""
        return self.run("readlink", path).stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def journal(self, unit: str) -> str:
        """What a unit, and systemd about it, have logged."""
        return self.run("journalctl", "-u", unit, "-o", "cat", "--no-pager").stdout

    def wait(self, read: Callable[[], T], until: Callable[[T], bool]) -> T:
        """Read again and again until the answer is as it should be; returns it."""
        deadline = time.monotonic() + LONG_S
        while not until(found := read()):
            if time.monotonic() > deadline:
                raise CommandFailed(f"still {found!r} after {LONG_S:.0f} s")
            time.sleep(0.1)
        return found

    def end(self) -> None:
        """Kill everything in the guest."""
        if self._process is not None:
            self._process.kill()  # Its child, the guest's first process, dies with it, and all others with that.
            self._process.wait()
            self._process = None
        if self._cgroup.exists():
            _remove_cgroup(self._cgroup)

    def _boot(self) -> None:
        self._cgroup.mkdir()
        pairs = [f"{source}:{place}" for source, place in self._shown.items()]
        self._process = subprocess.Popen(
            ["unshare", *NAMESPACES, "--fork", "--kill-child", "sh", str(SCRIPT), str(self._folder), *pairs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: _enter(self._cgroup),
        )
        assert self._process.stdout is not None
        said: list[str] = []
        for line in self._process.stdout:
            if line == "prepared\n":
                break
            said.append(line)
        else:
            raise CannotBoot(f"namespaces or mounts are not to be had: {''.join(said).strip()}")
        self._pid = _child(self._process.pid)
        self.wait(
            lambda: self.run("systemctl", "is-system-running", code=None).stdout.strip(),
            lambda state: state in ("running", "degraded"),
        )


def _own_cgroup() -> Path:
    """The cgroup (version 2) of this process; raises CannotBoot if a guest cannot have one below it."""
    if os.geteuid() != 0:
        raise CannotBoot("only root can boot a systemd")
    if not SYSTEMD.exists():
        raise CannotBoot(f"{SYSTEMD} is not installed")
    for tool in ("unshare", "nsenter", "systemd-analyze", "journalctl"):
        if shutil.which(tool) is None:
            raise CannotBoot(f"{tool} is not installed")
    mounted = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    roots = [Path(place) for _, place, kind, *_ in mounted if kind == "cgroup2"]
    if not roots:
        raise CannotBoot("no cgroup hierarchy of version 2 is mounted")
    own = next(
        line.removeprefix("0::/")
        for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines()
        if line.startswith("0::/")
    )
    folder = roots[0] / own
    if not os.access(folder / "cgroup.procs", os.W_OK):
        raise CannotBoot(f"{folder} cannot be written")
    return folder


def _enter(cgroup: Path) -> None:
    """In the new process: be in its cgroup, and die with the tests even if they are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    (cgroup / "cgroup.procs").write_text("0", "ascii")


def _child(pid: int) -> int:
    """The one child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0])


def _remove_cgroup(cgroup: Path) -> None:
    """Remove a cgroup with all below it; what was killed takes a moment to leave them."""
    deadline = time.monotonic() + LONG_S
    while cgroup.exists():
        for folder, _, _ in os.walk(cgroup, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        if time.monotonic() > deadline:
            raise CommandFailed(f"{cgroup} is still in use")
        time.sleep(0.02)
