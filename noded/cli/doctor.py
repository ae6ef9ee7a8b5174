"""`noded doctor`."""

import os
from dataclasses import asdict
from pathlib import Path

from noded.cli.exits import FAILED
from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output


@declare(name="doctor")
@home_option
def command(output: Output, home: Path) -> int:
    """Say what is wrong with the node and what to do, whether it runs or not; exit code 1 says that something is."""
    from noded.ops.doctor import examine
    from noded.ops.findings import Verdict, worst

    findings = examine(home, dict(os.environ))
    verdict = worst(findings)
    output.show({"verdict": verdict, "findings": [asdict(each) for each in findings]}, _show)
    return FAILED if verdict is Verdict.FAIL else 0


def _show(data: Json) -> str:
    lines = []
    for each in data["findings"]:
        lines.append(f"{each['verdict']:<5}{each['name']}: {each['found']}")
        if each["way_out"]:
            lines.append(f"     → {each['way_out']}")
    return "\n".join(lines)
