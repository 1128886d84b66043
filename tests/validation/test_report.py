"""The report: self-contained, escaped, and without the sections nothing is known for."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from creditrisk.contract import Input
from creditrisk.decision import Policy
from creditrisk.params import EvaluationParams, ModelParams, PolicyParams
from creditrisk.validation.calibration import check_calibration
from creditrisk.validation.comparison import compare
from creditrisk.validation.fairness import adverse_impact
from creditrisk.validation.html import table, tag
from creditrisk.validation.metrics import evaluate
from creditrisk.validation.plots import draw
from creditrisk.validation.report import CleaningRule, DataFacts, ModelFacts, PartFacts, ReportContext, write_report
from creditrisk.validation.summary import influences, policy_bands

EVIL = '<script>alert("1")</script> & \' "quoted"'
VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects tags, and refuses those that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def context() -> ReportContext:
    """Every part filled, with texts that must be escaped wherever a contract's text may stand."""
    random = np.random.default_rng(0)
    y, pd = (random.random(400) < 0.2).astype(float), random.random(400)
    policy = Policy.make(PolicyParams(), 0.2)
    decisions = policy.decide_vector(pd)
    few = EvaluationParams(bootstrap=50)
    inputs = [Input(name="income", kind="number", title=EVIL), Input(name="age", kind="number", title="Age")]
    groups = pl.DataFrame({EVIL: [EVIL] * 200 + ["2"] * 190 + ["tiny"] * 10})
    return ReportContext(
        title=EVIL,
        portfolio=EVIL,
        evaluation=evaluate(y, pd, params=few),
        description=EVIL,
        source=EVIL,
        licence=EVIL,
        made=EVIL,
        oracle_auc=0.8123,
        train_auc=0.75,
        data=DataFacts(
            1_000, 10, [PartFacts(EVIL, 400, 0.2, "2020-01-01", "2021-01-01")], {EVIL: 3}, {EVIL: "ab12"}, [EVIL]
        ),
        model=ModelFacts("ebm", 2, ModelParams().model_dump(), [{EVIL: EVIL, "auc": 0.7}], [EVIL], "cd34", EVIL),
        calibrator={"method": "platt", "slope": 0.9, "intercept": -0.1},
        calibration=check_calibration(y, pd),
        pictures=draw(y, pd)[:1],
        influences=influences(inputs, random.normal(size=(400, 2))),
        policy=policy,
        bands=policy_bands(y, pd, decisions),
        fairness=adverse_impact(groups, (decisions == "approve").to_numpy()),
        stability={EVIL: 0.3},
        comparison=compare(y, pd, random.random(400), params=few),
        cleaning=[CleaningRule(EVIL, EVIL, 4, EVIL)],
        not_checked=[EVIL],
    )


def test_the_page_is_one_file_without_anything_from_elsewhere(context: ReportContext, tmp_path: Path) -> None:
    path = write_report(tmp_path / "new" / "report.html", context)
    text = path.read_text(encoding="utf-8")
    found = parsed(text)
    names = {name for name, _ in found.tags}
    assert not names & {"script", "link", "iframe", "object", "form"}
    for _, attributes in found.tags:
        assert not any(key.startswith("on") for key in attributes)
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_texts_from_outside_are_escaped_wherever_they_stand(context: ReportContext, tmp_path: Path) -> None:
    text = write_report(tmp_path / "report.html", context).read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&quot;1&quot;)") >= 20


def test_what_an_officer_asks_is_there(context: ReportContext, tmp_path: Path) -> None:
    text = write_report(tmp_path / "report.html", context).read_text(encoding="utf-8")
    for words in (
        "0.8123",
        "Rows in quarantine",
        "adverse impact ratio",
        "four fifths",
        "PD below",
        "Hosmer",
        "1.00 %",
    ):
        assert words in text
    assert f"{context.evaluation.auc.value:.4f}" in text
    assert "ebm.bags" in text
    assert "catboost.depth" not in text  # of the families only the one that was taken
    links = re.findall(r'href="#([a-z-]+)"', text)
    assert links == re.findall(r'<section id="([a-z-]+)"', text)
    assert len(links) == 13


def test_the_smallest_ratio_is_said_with_its_group_and_whether_chance_explains_it(
    context: ReportContext, tmp_path: Path
) -> None:
    groups = pl.DataFrame({"sex": ["men"] * 200 + ["women"] * 200})
    for women, words in ((80, "below four fifths beyond chance"), (150, "below four fifths, within chance")):
        impacts = adverse_impact(groups, np.arange(400) < 200 + women)
        text = write_report(tmp_path / "r.html", replace(context, fairness=impacts)).read_text(encoding="utf-8")
        assert f"of women (sex): {words}." in text


def test_absent_parts_leave_no_empty_sections(context: ReportContext, tmp_path: Path) -> None:
    bare = ReportContext(title="Bare", portfolio="bare", evaluation=context.evaluation)
    text = write_report(tmp_path / "report.html", bare).read_text(encoding="utf-8")
    parsed(text)
    sections = re.findall(r'<section id="([a-z-]+)"', text)
    assert sections == ["summary", "figures", "deciles", "calibration", "not-checked"]


def test_figures_without_a_finite_value_are_said(context: ReportContext, tmp_path: Path) -> None:
    y = np.repeat([0.0, 1.0], [30, 20])
    parted = evaluate(y, np.where(y > 0, 0.9, 0.1), params=EvaluationParams(bootstrap=50))
    text = write_report(tmp_path / "r.html", replace(context, evaluation=parted)).read_text(encoding="utf-8")
    assert "no finite value" in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)


def test_a_failed_write_leaves_the_former_report(
    context: ReportContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("former", encoding="utf-8")

    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_report(path, context)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8") == "former"


def test_the_builder_escapes_what_is_not_html() -> None:
    assert tag("p", "a < b", tag("b", 1), title='"') == '<p title="&quot;">a &lt; b<b>1</b></p>'
    assert "<td" in table(["A", "B"], [["1", None]], [1])
    assert "–" in table(["A", "B"], [["1", None]])
