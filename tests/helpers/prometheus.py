"""A real Prometheus that scrapes real nodes each second, and what it says."""

import ctypes
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from noded.testnet.creating import HOST, free_ports
from tests.helpers.fleet import PATIENCE_S, until

CONFIGS: Final = Path(__file__).parents[2] / "configs" / "prometheus"
JOB: Final = "noded"
END_S: Final = 30.0
PR_SET_PDEATHSIG: Final = 1


def shortened(text: str, changes: Mapping[str, str]) -> str:
    """A copy of a file with times and thresholds replaced; each must stand in it exactly once."""
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def _die_with_the_tests() -> None:
    """In the new process: nothing is left over when the tests are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Prometheus:
    """One process; a context manager."""

    def __init__(self, folder: Path, targets: Mapping[str, str], *, alerts: str, kept: str = "15d") -> None:
        """
        Prepare; entering the context starts it.

        Args:
            folder: For its files; `data` in it may have blocks already.
            targets: Address of the figures by the name that the instance gets.
            alerts: The text of the alerts' file.
            kept: How long samples are kept.
        """
        [port] = free_ports(1)
        self._folder = folder
        self._kept = kept
        self._address = f"{HOST}:{port}"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        shutil.copy(CONFIGS / "rules.yml", folder)
        (folder / "alerts.yml").write_text(alerts, "utf-8")
        config = yaml.safe_load((CONFIGS / "prometheus.yml").read_text("utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["scrape_configs"][0]["static_configs"] = [
            {"targets": [address], "labels": {"instance": name}} for name, address in targets.items()
        ]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--storage.tsdb.retention.time={self._kept}",
                    f"--web.listen-address={self._address}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_the_tests,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_ready():
            said = (self._folder / "log").read_text("utf-8", "replace")
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def query(self, expr: str, *, at_s: int | None = None) -> list[dict[str, Any]]:
        """The series that an expression has now, or at a second since 1970."""
        when = {} if at_s is None else {"time": str(at_s)}
        found: list[dict[str, Any]] = self._get("query", query=expr, **when)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with how their last evaluation went."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def firing(self, alert: str) -> set[str]:
        """The instances for which an alert fires; an empty name for one of the whole job."""
        return {
            each["labels"].get("instance", "")
            for each in self._get("alerts")["alerts"]
            if each["labels"]["alertname"] == alert and each["state"] == "firing"
        }

    def until_fires(self, alert: str, *instances: str) -> None:
        """Wait until an alert fires for these at least."""
        until(lambda: set(instances) <= self.firing(alert), f"{alert} fires for {instances}")

    def until_clear(self, alert: str) -> None:
        """Wait until an alert fires for nobody."""
        until(lambda: not self.firing(alert), f"{alert} is clear")

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://{self._address}/-/ready", timeout=END_S) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _get(self, path: str, **query: str) -> Any:
        with urlopen(f"http://{self._address}/api/v1/{path}?{urlencode(query)}", timeout=END_S) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]
