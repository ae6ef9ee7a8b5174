"""The systemd units, as systemd itself judges them; tests/integration/test_systemd.py boots one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "configs" / "systemd"
EXPOSURE_MAX = 1.5
"""Of ten; a bare unit has 9.6."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def _analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["noded.service", "noded@.service"])
def test_a_unit_exposes_little(name: str) -> None:
    done = _analyze("security", "--offline=yes", "--no-pager", UNITS / name)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)

    assert float(exposure) <= EXPOSURE_MAX


@pytest.fixture
def unit(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A unit whose program exists on this machine; the template with a name."""
    text = (UNITS / request.param).read_text("utf-8")
    path: Path = tmp_path / request.param.replace("@.", "@clinic.")
    path.write_text(text.replace("/opt/noded/bin/noded", shutil.which("true") or "/bin/true"), "utf-8")
    return path


@pytest.mark.parametrize("unit", ["noded.service", "noded@.service"], indirect=True)
def test_systemd_has_nothing_to_say_of_a_unit(unit: Path) -> None:
    done = _analyze("verify", "--man=no", unit)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", ["noded.service"], indirect=True)
def test_systemd_names_a_key_that_it_does_not_know(unit: Path) -> None:
    """`verify` ends with 0 nevertheless, so the test above looks at what it says."""
    unit.write_text(unit.read_text("utf-8").replace("WatchdogSec=", "WatchdogSecs="), "utf-8")

    assert "WatchdogSecs" in _analyze("verify", "--man=no", unit).stderr
