from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import pytest
import yaml
from support import SMALL_CONTRACT

from creditrisk.contract import Contract
from creditrisk.data.row import compile_row
from creditrisk.service.scoring.form import application_schema, example


def schema_of(**columns: Any) -> dict[str, Any]:
    text = yaml.safe_dump(SMALL_CONTRACT | {"columns": SMALL_CONTRACT["columns"] | columns}, sort_keys=False)
    return application_schema(Contract.from_text(text, "small.yaml"))


def valid(schema: dict[str, Any], **application: Any) -> bool:
    return bool(jsonschema_rs.validator_for(schema).is_valid(application))


def test_titles_units_limits_and_titles_of_values_are_in_it() -> None:
    made = schema_of(home={"type": "category", "values": {"1": "owned", "2": "rented"}, "title": "Home"})
    assert made["properties"]["months"] | {"title": ""} == {
        "title": "",
        "x-type": "integer",
        "x-unit": "months",
        "x-range": [1.0, 120.0],
        "type": ["integer", "null"],
        "minimum": 1.0,
        "maximum": 120.0,
    }
    assert made["properties"]["home"]["title"] == "Home"
    assert made["properties"]["home"]["x-titles"] == {"1": "owned", "2": "rented"}
    assert made["additionalProperties"] is False


def test_numbers_that_mean_missing_may_lie_beyond_the_limits() -> None:
    made = schema_of(score={"type": "integer", "min": 0, "max": 10, "missing": [-1, "NA"]})
    assert [valid(made, score=value) for value in (5, -1, -2, 11, "5", None)] == [True, True, False, False, False, True]


def test_a_list_is_closed_where_an_unknown_value_is_refused() -> None:
    home: dict[str, Any] = {"type": "category", "values": ["own", "rent"]}
    assert valid(schema_of(home=home), home="castle")
    for closed in (home | {"unknown": "reject"}, home | {"required": True}):
        made = schema_of(home=closed)
        assert (valid(made, home="castle"), valid(made, home="own")) == (False, True)
    assert not valid(schema_of(home=home | {"required": True}))


def test_values_that_are_not_looked_at_are_single_values() -> None:
    made = schema_of()
    assert [valid(made, age=value) for value in (40, "forty", None, [40])] == [True, True, True, False]


@pytest.mark.parametrize("path", sorted(Path("1.data/portfolios").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_portfolio_has_a_schema(path: Path) -> None:
    made = application_schema(Contract.from_yaml(path))
    jsonschema_rs.meta.validate(made)
    assert made["properties"]


@pytest.mark.parametrize("name", ["simulated", "lending_club"])
def test_in_the_example_the_credit_history_began_before_the_application(name: str) -> None:
    contract = Contract.from_yaml(Path(f"1.data/portfolios/{name}.yaml"))
    model: Any = SimpleNamespace(scorer=SimpleNamespace(contract=contract, reference={"inputs": {}}))
    row = compile_row(contract)(example(model))
    assert row.faults == []
    values = dict(zip((item.name for item in contract.inputs), row.values, strict=True))
    months = values["account_age" if name == "simulated" else "credit_history"]
    assert isinstance(months, float)
    assert 119 < months < 121
