import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from service.running import Running, serving
from support import make_bundle
from wide import WIDE_CONTRACT, wide_table

from creditrisk.service.access.keys import SCOPES, KeyStore

SETTINGS = """
# A wrong item of a list does not refuse the list: its problem stands in its place, under a 200.
[[operations]]
include-path = "/v1/score/batch"
[operations.checks.negative_data_rejection]
enabled = false

# JSON Schema has no word for "not in the future", nor for what a file must hold: a 422 is right for some valid texts.
[[operations]]
include-path = "/v1/outcomes"
[operations.checks.positive_data_acceptance]
enabled = false
[[operations]]
include-path = "/v1/score/file"
[operations.checks.positive_data_acceptance]
enabled = false

# Each of these starts a process.
[[operations]]
include-path = "/v1/applicants/{applicant_id}"
[operations.generation]
max-examples = 10
"""
"""Every check of schemathesis is on but these. Of a contract whose dates are refused out of range, or whose numbers are
written as texts with limits, positive_data_acceptance would have to be left out as well, for the same reason."""


@pytest.fixture(scope="module")
def wide_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorecard on columns of every kind."""
    folder = tmp_path_factory.mktemp("wide") / "bundle"
    return make_bundle(folder, "scorecard", 1_500, WIDE_CONTRACT, wide_table)


@pytest.fixture
def wide(tmp_path: Path, wide_bundle: Path) -> Iterator[tuple[Running, str]]:
    """A server with that bundle and keys, and a key for everything."""
    _, key = KeyStore(tmp_path / "keys.json").create("all", SCOPES)
    with serving(tmp_path, "--bundle", str(wide_bundle)) as running:
        yield running, key


def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in found["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def test_it_is_3_1_and_the_hot_route_is_described_from_the_contract(client: httpx.Client) -> None:
    found = document(client)
    assert found["openapi"].startswith("3.1.")
    hot = found["paths"]["/v1/score"]["post"]
    assert hot["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Request")
    assert hot["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/ScoreAnswer")
    errors = {"400", "401", "403", "408", "409", "413", "415", "421", "422", "429", "500", "503"}
    assert set(hot["responses"]) == errors | {"200"}
    assert {item["name"] for item in hot["parameters"]} == {"Idempotency-Key", "X-Request-Id"}
    schemas = found["components"]["schemas"]
    assert schemas["Application"]["properties"]["months"]["x-unit"] == "months"
    assert schemas["Request"]["properties"]["application"] == {"$ref": "#/components/schemas/Application"}
    assert schemas["ScoreAnswer"]["properties"]["band"] == {"enum": ["A", "B", "C", "D", "E", "F", "G"]}


def test_every_error_is_a_problem_and_no_schema_is_missing(client: httpx.Client) -> None:
    found = document(client)
    for name, operation in operations(found):
        assert any(operation["responses"].get(status, {}).get("content") for status in ("200", "201")), name
        for status, response in operation["responses"].items():
            if status not in ("200", "201"):
                assert list(response["content"]) == ["application/problem+json"], (name, status)
    assert "HTTPValidationError" not in found["components"]["schemas"]
    for name, schema in found["components"]["schemas"].items():
        jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": found["components"]})
        assert schema, name


def test_keys_are_optional_in_the_document_only_where_they_are(client: httpx.Client, wide: tuple[Running, str]) -> None:
    found = document(client)
    schemes = found["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert (schemes["apiKey"]["in"], schemes["apiKey"]["name"]) == ("header", "X-API-Key")
    assert found["paths"]["/v1/score"]["post"]["security"] == [{"bearer": []}, {"apiKey": []}, {}]
    with wide[0].client() as other:
        assert document(other)["paths"]["/v1/score"]["post"]["security"] == [{"bearer": []}, {"apiKey": []}]
    assert "security" not in found["paths"]["/health/live"]["get"]


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path, wide: tuple[Running, str]) -> None:
    running, key = wide
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings), "run"]
    command += [f"{running.url}/openapi.json", "--header", f"Authorization: Bearer {key}", "--max-examples", "60"]
    done = subprocess.run(
        [*command, "--continue-on-failure", "--no-color", "--seed", "7"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
    assert "Operations:       " in done.stdout
    assert "Traceback" not in running.said()
    assert '"status":500' not in running.said()
