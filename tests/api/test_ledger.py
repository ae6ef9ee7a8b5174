from pathlib import Path

import pytest

from noded.api.routes.ledger import LISTS, SINGLES
from noded.ledger.modules.records import record_key
from tests.helpers.api import ServedApi, serve
from tests.helpers.backend import TestBackend
from tests.helpers.ledger import TestChain, make_genesis, member_id
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    HOSPITAL,
    INSURER,
    OPENING,
    PATIENT,
    RECORD,
    REQUEST,
    WRAP_HASH,
)
from tests.helpers.story import DENIED, ERASED, MEMBERS


def hexa(id: bytes) -> str:
    return id.hex()


class TestSingles:
    @pytest.mark.parametrize(
        ("path", "id", "field", "value"),
        [
            ("institutions", HOSPITAL.id, "status", "member"),
            ("patients", PATIENT.id, "custodian", hexa(HOSPITAL.id)),
            ("records", RECORD, "amended", "addendum"),
            ("consents", CONSENT, "version", 2),
            ("requests", REQUEST, "wrap_hash", hexa(WRAP_HASH)),
            ("requests", DENIED, "path", "consent/grantee"),
            ("openings", OPENING, "reason", "unconscious"),
            ("erasures", ERASED, "owing", [hexa(HOSPITAL.id)]),
        ],
    )
    async def test_a_thing_is_read_by_its_id(
        self, served: ServedApi, path: str, id: bytes, field: str, value: object
    ) -> None:
        answer = await served.get(f"/v1/{path}/{hexa(id)}")

        assert answer.status == 200
        assert (answer.json["height"], answer.json["id"]) == (4, hexa(id))
        assert answer.json["value"][field] == value

    @pytest.mark.parametrize("path", [single.path for single in SINGLES])
    async def test_what_is_not_there_is_not_found(self, served: ServedApi, path: str) -> None:
        answer = await served.get(f"/v1/{path}/{'0' * 32}")

        assert (answer.status, answer.reason) == (404, "NoSuchThing")

    @pytest.mark.parametrize("id", ["0", "0" * 31, "0" * 33, "G" * 32, "%00" * 16, "../../etc/passwd"])
    async def test_what_is_no_id_is_refused(self, served: ServedApi, id: str) -> None:
        answer = await served.get(f"/v1/records/{id}")

        assert answer.status in (404, 422)
        assert answer.reason in ("InvalidRequest", "NoSuchRoute")

    async def test_versions_are_kept(self, served: ServedApi) -> None:
        first = await served.get(f"/v1/records/{hexa(RECORD)}/versions/1")
        second = await served.get(f"/v1/records/{hexa(RECORD)}/versions/2")
        third = await served.get(f"/v1/records/{hexa(RECORD)}/versions/3")
        granted = await served.get(f"/v1/consents/{hexa(CONSENT)}/versions/1")

        assert first.json["value"]["content"]["commitment"] == "01" * 32
        assert second.json["value"]["content"]["commitment"] == "02" * 32
        assert (third.status, third.reason) == (404, "NoSuchThing")
        assert granted.json["value"]["version"] == 1

    async def test_an_account_says_what_it_may_sign_next(self, served: ServedApi) -> None:
        answer = await served.get(f"/v1/accounts/{hexa(HOSPITAL.key)}")

        assert answer.json["value"]["next_sequence"] == 3
        assert answer.json["value"]["entry"]["owner"] == hexa(HOSPITAL.id)

    async def test_reads_under_a_consent_are_counted(self, served: ServedApi) -> None:
        answer = await served.get(f"/v1/consents/{hexa(CONSENT)}/reads")

        assert answer.json["value"] == {"reads": 1}


class TestLists:
    @pytest.mark.parametrize(
        ("path", "concerned", "ids"),
        [
            ("institutions/{id}/patients", HOSPITAL.id, [PATIENT.id]),
            ("institutions/{id}/access", CLINIC.id, [REQUEST]),
            ("institutions/{id}/access", HOSPITAL.id, [REQUEST, DENIED]),
            ("institutions/{id}/releases", HOSPITAL.id, []),
            ("institutions/{id}/openings", CLINIC.id, [OPENING]),
            ("institutions/{id}/erasures", HOSPITAL.id, [ERASED]),
            ("patients/{id}/records", PATIENT.id, [ERASED, RECORD]),
            ("patients/{id}/consents", PATIENT.id, [CONSENT]),
            ("patients/{id}/access", PATIENT.id, [REQUEST, DENIED]),
            ("patients/{id}/disclosures", PATIENT.id, [REQUEST]),
            ("patients/{id}/openings", PATIENT.id, [OPENING]),
            ("patients/{id}/erasures", PATIENT.id, [ERASED]),
            ("records/{id}/access", RECORD, [REQUEST, DENIED]),
        ],
    )
    async def test_what_concerns_somebody_is_listed(
        self, served: ServedApi, path: str, concerned: bytes, ids: list[bytes]
    ) -> None:
        answer = await served.get(f"/v1/{path.replace('{id}', hexa(concerned))}")

        assert sorted(item["id"] for item in answer.json["items"]) == sorted(map(hexa, ids))
        assert answer.json["next"] is None

    @pytest.mark.parametrize("path", [listed.path for listed in LISTS])
    async def test_every_list_may_be_empty(self, served: ServedApi, path: str) -> None:
        answer = await served.get(f"/v1/{path.replace('{id}', '0' * 32)}")

        assert answer.json == {"height": 4, "items": [], "next": None}

    @pytest.mark.parametrize(
        "path",
        [
            f"patients/{hexa(PATIENT.id)}/access",
            "institutions",
            "reputation",
            "blocks",
            "blocks/3/transactions",
        ],
    )
    async def test_pages_of_one_make_the_whole_list(self, served: ServedApi, path: str) -> None:
        whole = (await served.get(f"/v1/{path}")).json["items"]
        items, after = [], ""
        while True:
            page = (await served.get(f"/v1/{path}?limit=1&after={after}")).json
            items += page["items"]
            after = page["next"]
            if not after:
                break

        assert len(whole) > 1
        assert items == whole

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=201", "limit=x", "after=0", "after=xy", f"after={'0' * 300}"]
    )
    async def test_pages_have_limits(self, served: ServedApi, query: str) -> None:
        answer = await served.get(f"/v1/patients/{hexa(PATIENT.id)}/access?{query}")

        assert (answer.status, answer.reason) == (422, "InvalidRequest")
        assert answer.json["errors"][0]["where"].startswith("query.")

    async def test_a_cursor_of_another_list_leads_nowhere_else(self, served: ServedApi) -> None:
        other = (await served.get(f"/v1/institutions/{hexa(HOSPITAL.id)}/access?limit=1")).json["next"]

        answer = await served.get(f"/v1/patients/{hexa(PATIENT.id)}/records?after={other}")

        assert all(item["value"]["patient"] == hexa(PATIENT.id) for item in answer.json["items"])

    async def test_members_are_listed_with_their_standing(self, served: ServedApi) -> None:
        members = (await served.get("/v1/institutions")).json["items"]
        standings = (await served.get("/v1/reputation")).json["items"]

        assert [item["id"] for item in members] == [hexa(party.id) for party in MEMBERS]
        assert [item["value"]["power"] for item in standings] == [1000, 1000, 1000]

    @pytest.mark.parametrize("path", ["overdue", f"institutions/{hexa(INSURER.id)}/reports", "proposals"])
    async def test_nothing_is_overdue_reported_or_proposed_yet(self, served: ServedApi, path: str) -> None:
        assert (await served.get(f"/v1/{path}")).json["items"] == []

    async def test_the_epoch_says_what_its_powers_bear(self, served: ServedApi) -> None:
        epoch = (await served.get("/v1/epoch")).json

        assert (epoch["epoch"], epoch["total_power"], epoch["quorum"]) == (1, 3000, 2001)


class TestProofs:
    async def test_a_thing_and_its_key_have_the_same_proof(self, served: ServedApi) -> None:
        by_id = await served.get(f"/v1/records/{hexa(RECORD)}/proof")
        by_key = await served.get(f"/v1/proofs/{hexa(record_key(RECORD))}")

        assert by_id.body == by_key.body == b"proof" + record_key(RECORD)
        assert by_id.headers["content-type"] == "application/octet-stream"


async def test_reports_of_a_closed_epoch_are_listed(tmp_path: Path) -> None:
    backend = TestBackend(TestChain(make_genesis(epoch_length=4)))
    for _ in range(5):
        backend.commit()
    async with serve(backend, tmp_path) as served:
        path = f"/v1/institutions/{hexa(member_id(1))}/reports"
        answer = await served.get(path)
        behind = await served.get(f"{path}?after={answer.json['items'][-1]['id']}")

        beyond = await served.get(f"{path}?after={'f' * 16}")

    assert (beyond.status, beyond.reason) == (422, "InvalidRequest")
    assert [item["value"]["epoch"] for item in answer.json["items"]] == [1]
    assert behind.json["items"] == []
