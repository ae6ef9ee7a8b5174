"""What `doctor` says: one finding a check, with the way out of what is wrong."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    """The node works, but will not for long, or not as well as it could."""
    FAIL = "fail"
    """The node does not work, or must not be left like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    name: str
    """Lower case with hyphens, such as ``disk-space``."""
    verdict: Verdict
    found: str
    """With the figure and its threshold."""
    way_out: str = ""
    """What to do; empty exactly when all is well."""


def ok(name: str, found: str) -> Finding:
    """A finding that needs nothing."""
    return Finding(name=name, verdict=Verdict.OK, found=found)


def warn(name: str, found: str, way_out: str) -> Finding:
    """A finding to act on soon."""
    return Finding(name=name, verdict=Verdict.WARN, found=found, way_out=way_out)


def fail(name: str, found: str, way_out: str) -> Finding:
    """A finding to act on now."""
    return Finding(name=name, verdict=Verdict.FAIL, found=found, way_out=way_out)


def worst(findings: list[Finding]) -> Verdict:
    """The worst verdict among findings; OK for none."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)
