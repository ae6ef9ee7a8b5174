"""What a node is installed with is what the project was tested with."""

import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_lock_of_a_node_is_part_of_the_whole_lock() -> None:
    done = subprocess.run(
        [sys.executable, "-B", CONFIGS / "lock.py", "--check"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
