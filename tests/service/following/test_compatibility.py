import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import SMALL_CONTRACT

from creditrisk.contract import Contract
from creditrisk.data.row import compile_row
from creditrisk.service.following.compatibility import refusals
from creditrisk.service.scoring.schema import Fields

MISSING = ["?", "-1", "9", "n/a", "CAR"]
LISTED = ["car", "Car", "home", "1", "2", "01", "true", "9"]
VALUES: list[Any] = [None, True, False, -1, 0, 1, 2, 9, 50, -1.0, 0.5, 1.5, 9.0, 1e9, "", " ", *MISSING, *LISTED]
VALUES += ["$1,5", "$1.5", "$kr 1", "($2)"]
VALUES += ["CAR ", "castle", "$1", "1,5", "$?", "01.0", "2024-01-31", "2024-06-30", "31.01.2024", "9.0", "yes", "no"]


@st.composite
def columns(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["number", "integer", "category", "boolean", "text", "open_category", "date"]))
    found: dict[str, Any] = {
        "type": kind,
        "required": draw(st.booleans()),
        "missing": draw(st.lists(st.sampled_from(MISSING), max_size=2, unique=True)),
        "strip": draw(st.sampled_from(["", "", "$", "$,", "?"])),
        "role": draw(st.sampled_from(["feature"] * 6 + ["ignore", "protected"])),
        "input": False,
    }
    if kind in ("number", "integer"):
        found |= {"min": draw(st.sampled_from([None, -1, 0, 1])), "max": draw(st.sampled_from([None, 9, 50]))}
        found |= {"decimal": draw(st.sampled_from([".", ".", ","])), "accounting": draw(st.booleans())}
        found |= {"currency": draw(st.sampled_from([None, "kr"]))}
    if kind == "date":
        found |= {"min": draw(st.sampled_from([None, "2024-01-01", "2024-02-01"]))}
        found |= {"format": draw(st.sampled_from([None, "%d.%m.%Y"]))}
    if kind in ("number", "integer", "date"):
        found |= {"out_of_range": draw(st.sampled_from(["clip", "missing", "quarantine"]))}
    if kind == "category":
        listed = draw(st.lists(st.sampled_from(LISTED), min_size=1, max_size=4, unique=True))
        found |= {"values": listed, "unknown": draw(st.sampled_from(["missing", "reject"]))}
    if kind in ("category", "boolean"):
        found |= {"case": draw(st.sampled_from(["keep", "lower", "upper"]))}
    return found


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Contract, Contract]:
    """Two contracts; the second is often a small change of the first, so that many are accepted."""
    old = draw(st.dictionaries(st.sampled_from("abcd"), columns(), min_size=1, max_size=2))
    new = copy.deepcopy(old)
    for name in draw(st.lists(st.sampled_from("abcd"), max_size=2)):
        other = draw(columns())
        if name in new and other["type"] == new[name]["type"] and draw(st.booleans()):
            key = draw(st.sampled_from(sorted(other)))
            new[name][key] = other[key]
        else:
            new[name] = other
    times = [draw(st.sampled_from([None, *(n for n, c in part.items() if c["type"] == "date")])) for part in (old, new)]
    return made(old, times[0]), made(new, times[1])


def made(columns: dict[str, Any], time: str | None = None) -> Contract:
    found = copy.deepcopy(columns)
    if time is not None and found[time]["role"] != "feature":
        time = None
    if time is not None:
        found[time]["role"] = "time"
    given = {"income": {"type": "number"}, "outcome": {"type": "text", "role": "target"}} | found
    small = SMALL_CONTRACT | {"columns": given, "characteristics": {}, "id": None, "time": time}
    return Contract.model_validate(small)


def valid(contract: Contract, application: dict[str, Any]) -> bool:
    return not Fields(contract).check(application) and not compile_row(contract)(application).faults


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(pairs(), st.data())
def test_what_is_valid_under_the_old_contract_is_valid_under_an_accepted_one(
    pair: tuple[Contract, Contract], data: st.DataObject
) -> None:
    old, new = pair
    if refusals(old, new):
        return
    names = sorted(set(old.columns) | set(new.columns))
    one = st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES) for name in names})
    for application in data.draw(st.lists(one, min_size=20, max_size=40)):
        if valid(old, application):
            assert valid(new, application), (application, old.columns, new.columns)


@settings(max_examples=100)
@given(pairs())
def test_a_contract_takes_what_it_takes_itself(pair: tuple[Contract, Contract]) -> None:
    assert refusals(pair[0], pair[0]) == []


@pytest.mark.parametrize("change", [{"decimal": "."}, {"currency": None}, {"currency": "zł"}, {"accounting": False}])
def test_a_number_that_was_written_in_another_form_is_missed(change: dict[str, Any]) -> None:
    column = {"type": "number", "strip": "$", "decimal": ",", "currency": "kr", "accounting": True}
    assert refusals(made({"b": column}), made({"b": column | change})) == ["b is written in another form"]
    plain = {"type": "number", "strip": "$", "decimal": ","}
    assert refusals(made({"b": plain}), made({"b": column})) == []


def test_a_listed_value_that_means_missing_is_not_missed_where_a_value_is_required() -> None:
    column = {"type": "category", "required": True, "missing": ["9"], "values": ["9", "1"]}
    contract = made({"b": column})
    assert refusals(contract, contract) == []
    assert refusals(contract, made({"b": column | {"values": ["9"]}})) == ["b does not take the value 1 any more"]


def test_a_number_that_only_its_other_spelling_can_be_read_as_is_missed() -> None:
    column = {"type": "category", "required": True, "strip": ".", "values": ["1.5", "2"]}
    old, new = made({"b": column}), made({"b": column | {"values": ["2"]}})
    assert valid(old, APPLICATION | {"b": "15e-1"})
    assert not valid(new, APPLICATION | {"b": "15e-1"})
    assert refusals(old, new) == ["b does not take the value 1.5 any more"]


APPLICATION: dict[str, Any] = {"income": 1.0}
BASE: dict[str, Any] = {
    "amount": {"type": "number", "min": 0, "max": 100},
    "months": {"type": "integer", "missing": [-1]},
    "purpose": {"type": "category", "values": ["car", "home"], "unknown": "reject"},
    "opened": {"type": "date"},
    "note": {"type": "text", "role": "ignore"},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": {"max": 50}}, "amount must be at most 50 now"),
        ({"amount": {"required": True}}, "amount is now required"),
        ({"amount": {"type": "integer"}}, "amount must be a whole number now"),
        ({"amount": {"type": "text", "min": None, "max": None}}, None),
        ({"amount": {"max": 50, "out_of_range": "clip"}}, None),
        ({"amount": {"min": -5, "max": 500}}, None),
        ({"months": {"missing": [], "min": 1}}, "months does not take -1 for missing any more"),
        ({"months": {"type": "number"}}, None),
        ({"months": {"type": "date", "missing": []}}, "months was of type integer and is now of type date"),
        ({"purpose": {"values": ["car"]}}, "purpose does not take the value home any more"),
        ({"purpose": {"values": ["car"], "unknown": "missing"}}, None),
        ({"purpose": {"values": ["car", "home", "boat"]}}, None),
        ({"opened": {"format": "%d.%m.%Y"}}, "opened is written in another form"),
        (
            {"note": {"type": "number", "role": "feature", "input": False}},
            "note was not looked at and is now of type number",
        ),
        ({"note": None}, "note is no field any more (removed or renamed)"),
        ({"town": {"type": "text", "required": True}}, "town is new and required"),
        ({"town": {"type": "text"}}, None),
    ],
)
def test_the_change_that_refuses_is_named(change: dict[str, Any], said: str | None) -> None:
    new = copy.deepcopy(BASE)
    for name, keys in change.items():
        if keys is None:
            del new[name]
        else:
            new[name] = new.get(name, {}) | keys
    found = refusals(made(BASE), made(new))
    assert (said in found) if said else not found
