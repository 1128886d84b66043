"""What contract and params have in common: frozen models, unknown keys refused by name, safe YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from creditrisk.errors import ContractError, nearest

MAX_NODES = 100_000
"""Nodes a YAML file may hold once its aliases are expanded; more is taken for an attack."""
MAX_BYTES = 5_000_000
QUOTED = 100
"""Characters of a wrong value that messages quote."""


class Frozen(BaseModel):
    """An immutable settings object that refuses unknown keys and suggests the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    known = ", ".join(cls.model_fields)
                    raise ValueError(f"unknown key {key!r}.{nearest(str(key), cls.model_fields)} Known keys: {known}.")
        return value

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read and check one YAML file.

        Raises:
            ContractError: naming the file, the place in it, the value and what was expected.
        """
        return cls.from_text(_read(path), str(path))

    @classmethod
    def from_text(cls, text: str, where: str) -> Self:
        """Read and check YAML text; ``where`` names it in messages."""
        data = load_yaml(text, where)
        if not isinstance(data, dict):
            raise ContractError(f"{where}: expected keys and values at the top, found {type(data).__name__}.")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ContractError(explain(error, where)) from None


def explain(error: ValidationError, where: str) -> str:
    """Turn pydantic's error into sentences: file, place, what is wrong and the value found."""
    sentences = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"] if not _is_tag(part))
        message = item["msg"].removeprefix("Value error, ")
        found = item.get("input")
        shown = (
            ""
            if isinstance(found, (dict, list, BaseModel)) or item["type"] == "missing"
            else f", found {_quoted(found)}"
        )
        at = f"{where}: {place}: " if place else f"{where}: "
        sentences.append(f"{at}{message}{shown}".rstrip(".") + ".")
    return "\n".join(dict.fromkeys(sentences))


def _quoted(found: Any) -> str:
    text = repr(found)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}... ({len(str(found)):,} characters)"


def _is_tag(part: int | str) -> bool:
    """Pydantic adds the tried type to a place inside a union; people did not write it."""
    return isinstance(part, str) and bool(re.search(r"[\[\(]|^(str|int|float|bool|Reason|date)$", part))


class _Loader(yaml.SafeLoader):
    """YAML 1.2 booleans (a category NO stays text), no sexagesimal numbers, duplicate keys refused."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError):  # such as !!int with letters, or an int of thousands of digits
            kind = node.tag.rsplit(":", 1)[-1]
            raise yaml.YAMLError(
                f"line {node.start_mark.line + 1}: {_quoted(node.value)} cannot be read as {kind}"
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, (str, int, float, bool)):
                continue
            if key in seen:
                mark = key_node.start_mark
                raise yaml.YAMLError(f"key {key!r} stands twice, again in line {mark.line + 1}; keep one")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


def _refuse_date(loader: _Loader, node: yaml.ScalarNode) -> None:
    # DVC watches parts of these files and keeps what it read as JSON, which knows no dates.
    raise yaml.YAMLError(f"line {node.start_mark.line + 1}: write the date {node.value} in quotes")


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _refuse_date)


def _unicode(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    text.encode()  # half of a surrogate pair, which an escape can write and no file can hold
    return text


_Loader.add_constructor("tag:yaml.org,2002:str", _unicode)


def load_yaml(text: str, where: str) -> Any:
    """Parse YAML that may come from outside: bounded in size and in what its aliases expand to."""
    if len(text) > MAX_BYTES:
        raise ContractError(f"{where}: {len(text):,} characters; at most {MAX_BYTES:,} are read. Is it the right file?")
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise ContractError(f"{where}: not valid YAML: {str(error).splitlines()[0]}.") from None
    try:
        node = loader.get_single_node()
        if node is None:
            raise ContractError(f"{where}: the file is empty.")
        if _expanded(node, {}) > MAX_NODES:
            raise ContractError(f"{where}: its aliases expand to over {MAX_NODES:,} entries; write them out.")
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ContractError(f"{where}: not valid YAML{at}: {error.problem}.") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ContractError(f"{where}: not valid YAML: {str(error) or 'nested too deeply'}.") from None
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """Count nodes with every alias written out, visiting each node once."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_NODES + 1  # a node inside itself never ends
    count = 1
    if isinstance(node, yaml.SequenceNode):
        count += sum(_expanded(child, known) for child in node.value)
    elif isinstance(node, yaml.MappingNode):
        count += sum(_expanded(key, known) + _expanded(child, known) for key, child in node.value)
    known[id(node)] = count
    return count


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = sorted(p.stem for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        there = f" There are: {', '.join(beside)}." if beside else ""
        raise ContractError(f"{path}: no such file.{nearest(path.stem, beside)}{there}") from None
    except UnicodeDecodeError as error:
        raise ContractError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}.") from None
