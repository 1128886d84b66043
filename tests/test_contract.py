import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from creditrisk.contract import Contract, as_text
from creditrisk.errors import ContractError

BASE: dict[str, Any] = {
    "name": "small",
    "title": "Small",
    "source": {"url": "x.csv"},
    "target": {"column": "y", "bad": [1], "good": [0]},
    "population": None,
    "id": None,
    "group": None,
    "weight": None,
    "time": None,
    "as_of": None,
    "maturity": None,
    "test_from": None,
    "quarantine": {"max_share": 0.05},
    "duplicates": "drop",
    "extra_columns": "refuse",
    "columns": {
        "Amt": {"type": "number", "rename": "amount", "unit": "EUR", "min": 0},
        "purpose": {"type": "category", "values": {1: "car", 2: "home"}},
        "sex": {"type": "category", "values": ["m", "f"], "role": "protected"},
        "applied": {"type": "date", "role": "time"},
        "internal note": {"type": "text", "role": "ignore", "note": "written after the decision"},
    },
    "characteristics": {"log_amount": {"sql": "LN(amount)", "monotone": "increasing", "reason": "The amount is high"}},
}


def contract(**changes: Any) -> Contract:
    return Contract.from_text(yaml.safe_dump(copy.deepcopy(BASE) | changes, sort_keys=False), "small.yaml")


def column(name: str, **changes: Any) -> Contract:
    columns = copy.deepcopy(BASE["columns"])
    columns.setdefault(name, {}).update(changes)
    return contract(columns=columns)


def test_inputs_are_features_then_characteristics() -> None:
    inputs = contract().inputs
    assert [(i.name, i.kind) for i in inputs] == [
        ("amount", "number"),
        ("purpose", "category"),
        ("log_amount", "number"),
    ]
    assert inputs[1].values == ("1", "2")
    assert inputs[2].monotone == "increasing"


def test_protected_and_ignored_columns_are_no_inputs_but_known() -> None:
    small = contract()
    assert small.protected == ("sex",)
    assert "internal note" not in small.raw_names.values()
    assert small.raw_names["amount"] == "Amt"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tme": "applied"}, "unknown key 'tme'. Did you mean 'time'?"),
        ({"time": "aplied"}, "time: no column has the clean name 'aplied'. Did you mean 'applied'?"),
        ({"time": "amount"}, "must be of type date"),
        ({"id": ["amount", "nr"]}, "id: no column has the clean name 'nr'"),
        ({"time": "internal note"}, "time: 'internal note' is the target or has the role ignore"),
        ({"weight": "internal note"}, "weight: 'internal note' is the target or has the role ignore"),
        ({"group": "internal note"}, "group: 'internal note' is the target or has the role ignore"),
        ({"id": ["amount", "internal note"]}, "id: 'internal note' is the target or has the role ignore"),
        ({"id": "y"}, "id: 'y' is the target or has the role ignore"),
        ({"test_from": "2021-01-01"}, "give time"),
        ({"maturity": {"months": 12}}, "give both"),
        ({"source": {}}, "give either url"),
        ({"source": {"simulated": {"seed": -1}}}, "source.simulated.seed: Input should be greater than or equal to 0"),
        ({"source": {"url": "a", "simulated": {}}}, "only one of them"),
        ({"target": {"column": "y", "bad": [1], "good": ["1"]}}, "stand under bad and good"),
        ({"target": {"column": "y", "bad": [1], "good": [" 1"]}}, "stand under bad and good"),
        ({"characteristics": {"amount": {"sql": "1"}}}, "a column has this name already"),
        ({"characteristics": {"2x": {"sql": "1"}}}, "a name starts with a letter"),
        ({"columns": {}}, "at least 1"),
        ({"characteristics": {"long": {"sql": "1+" * 3_000 + "1"}}}, f"found {'1+' * 49 + '1'!r}"[:-1] + "... (6,001"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as caught:
        contract(**changes)
    assert said in str(caught.value)
    assert "small.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": "nmber"}, "columns.Amt.type"),
        ({"min": 5, "max": 1}, "min 5.0 is above max 1.0"),
        ({"min": "2020-01-01"}, "must be of that type"),
        ({"ordered": True}, "only a category can be ordered"),
        ({"type": "category"}, "needs its closed list"),
        ({"values": ["a"]}, "values belong to a category"),
        ({"type": "text", "decimal": ","}, "decimal belongs to a number"),
        ({"type": "text", "accounting": True}, "accounting belongs to a number"),
        ({"currency": "$"}, "one word of two characters or more, without digits, such as EUR or kr, found '$'"),
        ({"currency": "1E5"}, "found '1E5'"),
        ({"rename": "purpose"}, "both have the clean name 'purpose'"),
        ({"rename": "y"}, "both have the clean name 'y'"),
        ({"type": "text", "min": None, "monotone": "increasing"}, "monotone needs a number"),
        ({"values": {1: "a", "b": "b"}}, "mix text and numbers"),
        ({"type": "date", "min": None, "format": "%d.%Q"}, "columns.Amt: in the format '%d.%Q' %Q is not known"),
        (
            {"type": "date", "min": None, "format": "dd.mm.yyyy"},
            "columns.Amt: the format 'dd.mm.yyyy' needs a year (%Y",
        ),
    ],
)
def test_what_is_wrong_with_a_column_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as caught:
        column("Amt", **changes)
    assert said in str(caught.value)


def test_loading_asks_for_every_key_that_dvc_watches(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in BASE.items() if k not in ("group", "duplicates")}))
    with pytest.raises(ContractError, match=r"write these keys out.*group: null, duplicates"):
        Contract.load(path)


def test_loading_checks_expressions(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(BASE | {"characteristics": {"burden": {"sql": "amount / incme"}}}))
    with pytest.raises(ContractError, match=r"small\.yaml: characteristics\.burden.*incme"):
        Contract.load(path)


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), (1.5, "1.5"), (True, "true"), ("01", "01"), (1e300, "1e+300")]
)
def test_scalars_as_category_keys(value: Any, text: str) -> None:
    assert as_text(value) == text
