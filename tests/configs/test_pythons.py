"""The Pythons that pyproject.toml allows are those that the scripts choose and the READMEs name."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = re.fullmatch(
    r">=3\.(\d+),<3\.(\d+)",
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"],
)
assert ALLOWED is not None
LOWEST, ABOVE = map(int, ALLOWED.groups())


@pytest.mark.parametrize("name", [".ci/run", "configs/install.sh"])
def test_a_script_looks_for_these_and_refuses_others(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")

    assert set(re.findall(r"\bpython3\.(\d+)", text)) == {str(minor) for minor in range(LOWEST, ABOVE)}
    assert f"not (3, {LOWEST}) <= sys.version_info < (3, {ABOVE})" in text


@pytest.mark.parametrize("name", ["README.md", "configs/README.md", ".ci/run", "configs/install.sh"])
def test_who_reads_is_told(name: str) -> None:
    assert f"3.{LOWEST} to 3.{ABOVE - 1}" in (ROOT / name).read_text("utf-8")
