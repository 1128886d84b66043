"""What an experiment searches: the typed form of ``3.experiments/search.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from creditrisk.errors import nearest
from creditrisk.params import FAMILIES, ModelParams
from creditrisk.settings import Frozen

if TYPE_CHECKING:
    import optuna

Number = int | float
SEARCHED: tuple[str, ...] = tuple(family for family in FAMILIES if family != "blend")
"""Families with parameters of their own; a blend is made of their out-of-fold margins."""


class Range(Frozen):
    """Every number from low to high; whole numbers where both ends are whole."""

    low: Number
    high: Number
    log: bool = False
    """Drawn evenly in the logarithm."""

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}: the range is empty")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} has no logarithm; give a low above 0, or log: false")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def inside(self, value: Number) -> Number:
        """The nearest number of the range."""
        return min(max(value, self.low), self.high)


Choices = Annotated[tuple[Number, ...], Field(min_length=1)]
Dimensions = dict[str, Range | Choices]


class Search(Frozen):
    """Rows and folds that trials are judged on, and the space of each family."""

    rows: Annotated[int, Field(ge=500)] = 40_000
    """At most so many training rows, bad ones in their share."""
    folds: Annotated[int, Field(ge=2, le=20)] = 3
    small_folds: Annotated[int, Field(ge=2, le=20)] = 5
    """In place of ``folds`` where there are at most 3,000 rows."""
    small_repeats: Annotated[int, Field(ge=1, le=20)] = 3
    """How often the folds of a small table are drawn: one draw says too little, and fits are cheap."""
    space: dict[str, Dimensions]

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        """Say what is wrong in the file's own words: pydantic would list every form that a dimension may have."""
        space = value.get("space") if isinstance(value, dict) else None
        if not isinstance(space, dict) or not space:
            raise ValueError("space is empty: name at least one family and its parameters under it")
        checked: dict[str, dict[str, Range | tuple[Number, ...]]] = {}
        for family, dimensions in space.items():
            if family not in SEARCHED:
                hint = nearest(str(family), SEARCHED)
                raise ValueError(f"space.{family}: unknown family.{hint} Known: {', '.join(SEARCHED)}")
            if not isinstance(dimensions, dict) or not dimensions:
                raise ValueError(f"space.{family} is empty: give it a parameter, or leave the family out")
            for name, dimension in dimensions.items():
                checked.setdefault(family, {})[name] = _checked(family, str(name), dimension)
        return value | {"space": checked}

    def bounded(self, family: str, setting: dict[str, Number]) -> dict[str, Number]:
        """A setting with each parameter moved into the space; parameters outside the space are left out."""
        dimensions = self.space[family]
        return {name: _bounded(dimensions[name], value) for name, value in setting.items() if name in dimensions}


def suggest(trial: optuna.Trial, family: str, dimensions: Dimensions) -> dict[str, Number]:
    """One setting of a family; a parameter's name in the study is ``family.parameter``."""
    return {name: _suggest(trial, f"{family}.{name}", dimension) for name, dimension in dimensions.items()}


def with_setting(params: ModelParams, family: str, setting: dict[str, Number]) -> ModelParams:
    """Params of a family with a setting in place; what it does not name stays."""
    section = getattr(params, family)
    checked = type(section).model_validate(section.model_dump() | setting)
    return params.model_copy(update={"family": family, family: checked})


def _suggest(trial: optuna.Trial, name: str, dimension: Range | Choices) -> Number:
    if not isinstance(dimension, Range):
        return trial.suggest_categorical(name, dimension)
    if dimension.whole:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _bounded(dimension: Range | Choices, value: Number) -> Number:
    if isinstance(dimension, Range):
        return dimension.inside(value)
    return min(dimension, key=lambda choice: abs(choice - value))


def _checked(family: str, name: str, dimension: Any) -> Range | tuple[Number, ...]:
    """A parameter that the family has, with numbers of its kind and both ends within its limits."""
    where = f"space.{family}.{name}"
    section: type[BaseModel] = type(getattr(ModelParams(), family))
    if name not in section.model_fields:
        hint = nearest(name, section.model_fields)
        raise ValueError(f"{where}: unknown parameter.{hint} Known: {', '.join(section.model_fields)}")
    if isinstance(dimension, Range | tuple):  # checked before, and copied
        return dimension
    if dimension == []:
        raise ValueError(f"{where} is an empty list: name the values to try")
    if isinstance(dimension, list):
        return tuple(_number(section, name, value, where) for value in dimension)
    if not isinstance(dimension, dict) or not {"low", "high"} <= set(dimension):
        raise ValueError(f"{where}: found {dimension!r}, expected a list of values, or {{low: ..., high: ...}}")
    ends = {end: _number(section, name, dimension[end], where) for end in ("low", "high")}
    try:
        return Range.model_validate(dimension | ends)
    except ValidationError as error:
        raise ValueError(f"{where}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _number(section: type[BaseModel], name: str, value: Any, where: str) -> Number:
    """A value within the parameter's limits: a whole number where it must be one, else a float."""
    whole = float not in _kinds(section.model_fields[name].annotation)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise ValueError(f"{where}: found {value!r}, expected a {'whole ' if whole else ''}number")
    try:
        section.model_validate({name: value})
    except ValidationError as error:
        raise ValueError(f"{where}: {value!r}: {error.errors()[0]['msg']}") from None
    return value if whole else float(value)


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    return {annotation}.union(*(_kinds(part) for part in get_args(annotation)))
