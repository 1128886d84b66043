"""A small builder of HTML: whatever is not already ``Html`` is escaped, so texts from outside stay texts."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

Part = object


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: Part) -> Html:
    """Escape a value, unless it is HTML already; None gives a dash."""
    if isinstance(value, Html):
        return value
    return Html("–" if value is None else html.escape(str(value)))


def tag(name: str, *parts: Part, **attributes: str) -> Html:
    """An element; ``class_`` gives the attribute class."""
    written = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{written}>{''.join(map(text, parts))}</{name}>")


def join(parts: Iterable[Part]) -> Html:
    """Parts one after the other."""
    return Html("\n".join(map(text, parts)))


def table(head: Sequence[str], rows: Iterable[Sequence[Part]], numbers: Iterable[int] = (), caption: str = "") -> Html:
    """A table that scrolls where it is wide.

    Args:
        head: titles of the columns.
        rows: cells; the first of each is the row's head.
        numbers: the columns that are set to the right.
    """
    right = set(numbers)
    style = [{"class_": "number"} if i in right else {} for i in range(len(head))]
    top = tag("thead", tag("tr", *(tag("th", title, scope="col", **s) for title, s in zip(head, style, strict=True))))
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", **style[0]),
            *(tag("td", c, **s) for c, s in zip(row[1:], style[1:], strict=True)),
        )
        for row in rows
    ]
    said = tag("caption", caption) if caption else ""
    return tag("div", tag("table", said, top, tag("tbody", join(body))), class_="scroll", tabindex="0")


def facts(rows: Iterable[tuple[str, Part]]) -> Html:
    """Two columns of names and values; a pair without a value is left out."""
    body = [
        tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows if value not in (None, "")
    ]
    return (
        tag("div", tag("table", tag("tbody", join(body)), class_="facts"), class_="scroll", tabindex="0")
        if body
        else Html("")
    )


def image(svg: str, alternative: str) -> Html:
    """An SVG picture inside the page; as an image it can neither run anything nor clash with its neighbours."""
    data = base64.b64encode(svg.encode()).decode()
    return Html(f'<img alt="{html.escape(alternative)}" src="data:image/svg+xml;base64,{data}">')


def page(title: str, body: Html) -> str:
    """A whole document without anything from elsewhere; its policy forbids scripts and any loading."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
