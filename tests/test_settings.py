from pathlib import Path

import pytest

from creditrisk.errors import ContractError
from creditrisk.settings import Frozen, load_yaml


class Inner(Frozen):
    depth: int = 1


class Outer(Frozen):
    name: str
    inner: Inner = Inner()


def refused(text: str) -> str:
    with pytest.raises(ContractError) as caught:
        Outer.from_text(text, "some.yaml")
    return str(caught.value)


def test_unknown_key_names_place_and_nearest_known_one() -> None:
    assert "some.yaml: inner: unknown key 'dept'. Did you mean 'depth'?" in refused("name: a\ninner: {dept: 2}")


def test_wrong_type_names_place_and_value() -> None:
    message = refused("name: a\ninner: {depth: deep}")
    assert "some.yaml: inner.depth" in message
    assert "'deep'" in message


def test_missing_key_is_named() -> None:
    assert "some.yaml: name: Field required" in refused("inner: {depth: 2}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("- a\n- b", "expected keys and values"),
        ("name: [a", "not valid YAML in line"),
        ("name: a\nname: b", "'name' stands twice, again in line 2"),
        ("name: 2020-01-01", "line 1: write the date 2020-01-01 in quotes"),
        ("[" * 5000, "not valid YAML"),
        ("name: a\nsize: " + "1" * 5_000, "line 2: '" + "1" * 99 + "... (5,000 characters) cannot be read as int"),
        ("name: !!int abc", "line 1: 'abc' cannot be read as int"),
        ("name: !!bool maybe", "line 1: 'maybe' cannot be read as bool"),
        ('name: "\\ud800"', "line 1: '\\ud800' cannot be read as str"),
        ("name: a\x00", "not valid YAML: unacceptable character"),
    ],
)
def test_broken_yaml_gets_a_sentence(text: str, said: str) -> None:
    assert said in refused(text)


def test_aliases_that_expand_beyond_bounds_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(ContractError, match="aliases expand"):
        load_yaml("\n".join(lines), "bomb.yaml")


def test_plain_aliases_work() -> None:
    assert load_yaml("a: &a {x: 1}\nb: *a", "t")["b"] == {"x": 1}


def test_only_true_and_false_are_booleans() -> None:
    assert load_yaml("[NO, yes, on, true, 012, 12:30, 7]", "t") == ["NO", "yes", "on", True, "012", "12:30", 7]


def test_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "taiwan.yaml").write_text("name: a")
    with pytest.raises(ContractError, match="Did you mean 'taiwan'"):
        Outer.from_yaml(tmp_path / "taiwn.yaml")


def test_settings_are_frozen() -> None:
    outer = Outer(name="a")
    with pytest.raises(ValueError, match="frozen"):
        outer.name = "b"  # type: ignore[misc]
