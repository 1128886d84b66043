"""Write the chosen family and its parameters into params.yaml, every comment kept."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from creditrisk.errors import ContractError
from creditrisk.params import Params
from creditrisk.paths import whole

KEPT = "kept from "
WIDTH = 4096
"""No line is broken anew."""


def keep(path: Path, family: str, sections: Mapping[str, Mapping[str, Any]], remark: str) -> bool:
    """Set ``model.family`` and the parameters of ``sections`` in params.yaml; say whether anything changed.

    Args:
        path: params.yaml.
        family: what ``model.family`` becomes.
        sections: parameters by family; what they do not name stays.
        remark: stands beside the family as a comment.

    Raises:
        ContractError: the file is not what it must be, or would no longer be so; it is left as it was.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    text = path.read_text(encoding="utf-8")
    Params.from_text(text, str(path))
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = WIDTH, True
    yaml.representer.add_representer(type(None), _null)
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    model = document.setdefault("model", CommentedMap())
    for name, values in sections.items():
        section = model.setdefault(name, CommentedMap())
        for key, value in values.items():
            section[key] = _flow(value)
    model["family"] = family
    _remark(model, remark)
    out = io.StringIO()
    yaml.dump(document, out)
    changed = out.getvalue()
    try:
        Params.from_text(changed, str(path))
    except ContractError as error:
        raise ContractError(f"{error} The file was left as it was.") from None
    if changed == text:
        return False
    with whole(path) as draft:
        draft.write_text(changed, encoding="utf-8")
    return True


def _remark(model: Any, remark: str) -> None:
    """Put the remark beside the family, after what is said there for people, in place of an earlier one."""
    token = (model.ca.items.get("family") or [None] * 4)[2]
    said, _, rest = (token.value if token is not None else "").partition("\n")
    own = said.lstrip("# ").partition(KEPT)[0].rstrip("; ")
    text = f"{own}; {KEPT}{remark}" if own else f"{KEPT}{remark}"
    model.yaml_add_eol_comment(text, "family", column=token.start_mark.column if token is not None else None)
    if rest:  # comment lines that follow belong to the same token
        model.ca.items["family"][2].value += f"\n{rest}"


def _null(representer: Any, value: None) -> Any:
    """ruamel.yaml would leave the place empty."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _flow(value: Any) -> Any:
    """A list in one line, as the file has them."""
    from ruamel.yaml.comments import CommentedSeq

    if not isinstance(value, (list, tuple)):
        return value
    row = CommentedSeq(value)
    row.fa.set_flow_style()
    return row
