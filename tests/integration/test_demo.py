"""`noded demo` as its users run it: a process of its own, from any folder."""

from pathlib import Path
from shutil import copy

import pytest

from tests.helpers.command import printed
from tests.helpers.shared_data import shared_path

CHECKS = {
    "records-anchored",
    "custodian-reads-exact-bytes",
    "consent-permits-request",
    "second-hospital-decrypts-exact-bytes",
    "patient-sees-who-read",
    "insurer-without-consent-refused",
    "request-after-revocation-refused",
    "break-glass-opens-record",
    "break-glass-has-review-deadline",
    "break-glass-leaves-audit-entry",
    "chain-goes-on-without-a-node",
    "killed-node-has-same-state-root",
    "flipped-byte-in-blob-detected",
    "flipped-byte-in-proof-detected",
    "flipped-byte-in-block-detected",
    "no-plaintext-on-any-disk",
}


@pytest.mark.integration
@pytest.mark.xdist_group("processes")
class TestDemo:
    """The story end to end, with four real processes."""

    def test_samples(self, tmp_path: Path) -> None:
        result = printed(tmp_path, "demo")

        assert result["nodes"] == 4
        assert result["records"] == 63
        checks = {check["name"]: check["ok"] for check in result["checks"]}
        assert checks == dict.fromkeys(CHECKS, True)
        assert set(result["finality_ms"]) == {"p50", "p99"}
        assert list(tmp_path.iterdir()) == []

    def test_single_resources_byte_for_byte(self, tmp_path: Path) -> None:
        """A decimal such as -1.000000000000000000E+245 survives only if nothing is written again."""
        copy(shared_path("fhir-r4-examples/Observation-decimal.json"), tmp_path)

        result = printed(tmp_path, "demo", "--fhir", str(tmp_path))

        assert result["records"] == 1
        assert all(check["ok"] for check in result["checks"])

    @pytest.mark.slow
    def test_synthetic_patients(self, tmp_path: Path) -> None:
        result = printed(tmp_path, "demo", "--fhir", str(shared_path("synthea-r4")))

        assert result["records"] == 1722
        assert all(check["ok"] for check in result["checks"])
