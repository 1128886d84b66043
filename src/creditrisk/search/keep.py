"""Write the chosen family and its parameters into params.yaml, every comment kept."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from creditrisk.errors import ContractError
from creditrisk.params import Params

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
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    model = document.setdefault("model", CommentedMap())
    for name, values in sections.items():
        section = model.setdefault(name, CommentedMap())
        for key, value in values.items():
            section[key] = _flow(value)
    model["family"] = family
    model.yaml_add_eol_comment(remark, "family")
    out = io.StringIO()
    yaml.dump(document, out)
    changed = out.getvalue()
    try:
        Params.from_text(changed, str(path))
    except ContractError as error:
        raise ContractError(f"{error} The file was left as it was.") from None
    if changed == text:
        return False
    draft = path.with_name(f".{path.name}")
    draft.write_text(changed, encoding="utf-8")
    draft.replace(path)
    return True


def _flow(value: Any) -> Any:
    """A list in one line, as the file has them."""
    from ruamel.yaml.comments import CommentedSeq

    if not isinstance(value, (list, tuple)):
        return value
    row = CommentedSeq(value)
    row.fa.set_flow_style()
    return row
