"""What the readmes name is there: files, places in a page, commands, benchmarks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT

from creditrisk.cli import build_parser

PAGES = ("readme.md", "CONTRIBUTING.md", "benchmarks/readme.md")


def anchors(path: Path) -> set[str]:
    """The places that a link may name, as GitHub makes them from the headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        file, _, place = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        assert not place or place in anchors(target), link


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_that_there_is(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for script in re.findall(r"(?:python |uv run )([\w./]+\.py)\b", text):
        assert (ROOT / script.replace("benchmarks/NAME.py", "benchmarks/row.py")).is_file(), script
    for command in set(re.findall(r"(?:uv run |`)main\.py ([a-z][a-z-]+)", text)):
        build_parser().parse_known_args([command, *NEEDED.get(command, [])])


NEEDED = {
    "contract": ["check"],
    "keys": ["list"],
    "new-portfolio": ["t.csv", "--target", "y"],
    "records": ["migrate"],
    "score": ["t.csv", "--out", "o.csv"],
    "use": ["simulated"],
}
"""What a command asks for beside its own name."""


def test_each_figure_of_the_summary_has_its_section_and_its_command() -> None:
    summary, full = ((ROOT / page).read_text(encoding="utf-8") for page in ("readme.md", "benchmarks/readme.md"))
    for command in set(re.findall(r"`((?:DATA_MIRROR=FOLDER )?uv run python benchmarks/[^`]+)`", summary)):
        assert f"```bash\n{command}" in full, command


def test_every_command_is_in_the_readme() -> None:
    table = (ROOT / "readme.md").read_text(encoding="utf-8").partition("### Commands")[2].partition("\n## ")[0]
    known = next(iter(build_parser()._subparsers._group_actions)).choices  # type: ignore[union-attr]
    assert known
    assert [name for name in known or () if not re.search(rf"`{name}\b", table)] == []
