"""A bundle is refused as soon as one byte of it is not what it was."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from creditrisk.errors import BundleError
from creditrisk.model import bundle, golden
from creditrisk.model.scorer import Scorer


@pytest.fixture
def copy(small_bundle: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    shutil.copytree(small_bundle, folder)
    return folder


def test_a_whole_bundle_passes_and_has_every_part(copy: Path) -> None:
    manifest = bundle.verify(copy)
    assert set(bundle.REQUIRED) <= set(manifest.files)
    assert bundle.verify(copy, manifest.digest) == manifest
    assert not [name for name in manifest.files if name.endswith((".pkl", ".pickle", ".joblib"))]


def test_one_flipped_byte_in_any_file_is_refused(copy: Path) -> None:
    for name in [*bundle.verify(copy).files, bundle.MANIFEST]:
        path = copy / name
        before = path.read_bytes()
        digest = bundle.verify(copy).digest
        path.write_bytes(before[:-2] + bytes([before[-2] ^ 1]) + before[-1:])
        with pytest.raises(BundleError, match=r"refused|not valid|JSON"):
            bundle.verify(copy, digest)
        path.write_bytes(before)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "calibration.json").unlink()
    with pytest.raises(BundleError, match=r"calibration\.json is missing"):
        bundle.verify(copy)


def test_a_file_too_many_is_named(copy: Path) -> None:
    (copy / "model" / "extra.py").write_text("print('hello')")
    with pytest.raises(BundleError, match=r"model/extra\.py is not in the manifest"):
        bundle.verify(copy)


def test_another_digest_than_the_registered_one_is_refused(copy: Path) -> None:
    with pytest.raises(BundleError, match=r"expected 0000"):
        Scorer.load(copy, "0" * 64)


def test_a_folder_that_is_no_bundle_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="it is not a bundle"):
        bundle.verify(tmp_path)


def test_a_manifest_of_another_format_is_refused(copy: Path) -> None:
    path = copy / bundle.MANIFEST
    content: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"format": 99}))
    with pytest.raises(BundleError, match="format 99"):
        bundle.verify(copy)


def test_a_disk_that_fills_up_leaves_the_former_bundle(copy: Path) -> None:
    former = bundle.verify(copy)

    def fill(draft: Path) -> dict[str, Any]:
        (draft / "contract.yaml").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(BundleError, match=r"No space left on device.*Free some space"):
        bundle.write(copy, fill)
    assert bundle.verify(copy) == former
    assert [path.name for path in copy.parent.iterdir()] == ["bundle"]


def test_golden_rows_are_replayed_and_a_changed_answer_is_named(copy: Path) -> None:
    scorer = Scorer.load(copy)
    rows = golden.read(copy)
    assert len(rows) == golden.ROWS
    golden.replay(scorer, rows)
    golden.replay_table(scorer, rows)
    other = Scorer(
        scorer.contract,
        scorer.model,
        scorer.calibrator,
        scorer.policy.model_copy(update={"base_score": 601.0}),
        scorer.reference,
    )
    for replay in (golden.replay, golden.replay_table):
        with pytest.raises(BundleError, match="golden row 0"):
            replay(other, rows)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("policy.json", '{"approve_below": 0.2, "decline_from": 0.1, "base_score": 600, "base_odds": 50, "pdo": 20}'),
        ("policy.json", '{"approve_below": 0.1, "decline_from": 0.2, "base_score": 600, "base_odds": 0, "pdo": 20}'),
        ("policy.json", '{"approve_below": 0.1, "decline_from": 0.2, "base_score": 0, "base_odds": 1, "pdo": 1e308}'),
        ("policy.json", "[" * 100_000),
        ("reference.json", "{}"),
        ("reference.json", '{"inputs": {"amount": 1}}'),
        ("reference.json", '{"inputs": {"amount": {"median": "1"}}}'),
    ],
)
def test_a_file_that_is_not_what_it_must_be_is_a_sentence_though_the_manifest_names_it(
    copy: Path, name: str, text: str
) -> None:
    (copy / name).write_text(text)
    manifest = json.loads((copy / bundle.MANIFEST).read_text())
    manifest["files"][name] = bundle.digest_of(copy / name)
    (copy / bundle.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=name):
        Scorer.load(copy)


@pytest.mark.parametrize("kind", ["pipe", "link to a folder", "link to nothing"])
def test_what_is_neither_a_file_nor_a_folder_is_refused(copy: Path, kind: str) -> None:
    odd = copy / "model" / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to(copy.parent if kind == "link to a folder" else copy / "not there")
    with pytest.raises(BundleError, match="model/odd: neither a file nor a folder"):
        bundle.verify(copy)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '[{"raw": {}}]',
        "[1]",
        "[" * 100_000,
        '[{"raw": [], "pd": null, "score": null, "decision": null, "reasons": []}]',
        '[{"raw": {"x": 1}, "pd": null, "score": null, "decision": null, "reasons": []}]',
        '[{"raw": {}, "pd": [], "score": null, "decision": null, "reasons": []}]',
    ],
)
def test_golden_rows_that_cannot_be_read_are_a_sentence(copy: Path, text: str) -> None:
    (copy / "golden.json").write_text(text)
    with pytest.raises(BundleError, match="golden rows cannot be read"):
        golden.read(copy)


def test_golden_rows_hold_answers_faults_and_reasons(copy: Path) -> None:
    rows = golden.read(copy)
    scored = [row for row in rows if row.pd is not None]
    assert 0 < len(scored) < len(rows)
    assert len({row.pd for row in scored}) > 20
    assert max(len(row.reasons) for row in scored) > 2
