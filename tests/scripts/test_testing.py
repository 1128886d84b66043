"""The scripts of 5.testing, run as a person runs them, on the finished lifecycle of the small lender."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from support import Checkout

pytestmark = pytest.mark.slow


def script(checkout: Checkout, name: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    quiet = {"PYTHONWARNINGS": ""} | environment  # as for a person: warnings about MLflow's own code are not shown
    done = checkout.run(sys.executable, f"5.testing/{name}.py", *arguments, **quiet)
    return done.returncode, done.stdout, done.stderr


def test_loading_says_in_a_line_that_it_passed(finished: Checkout) -> None:
    code, out, err = script(finished, "loading")
    assert code == 0, err
    assert out.startswith("passed: version 1 of CreditRiskModel-small loads and verifies")
    assert len(out.splitlines()) == 1
    assert err == ""


def test_loading_speaks_to_machines(finished: Checkout) -> None:
    code, out, _ = script(finished, "loading", "--json", "--portfolio", "small", "--version", "1")
    found = json.loads(out)
    assert code == 0
    assert (found["passed"], found["version"], found["golden_rows"]) == (True, "1", 200)


def test_performance_names_every_gate(finished: Checkout) -> None:
    code, out, err = script(finished, "performance")
    assert code == 0, err
    first, *gates = out.splitlines()
    assert first.startswith("passed: version 1 by thresholds, on ")
    assert [line.split()[1] for line in gates[:2]] == ["AUC", "KS"]
    assert all(line.startswith("passed") for line in gates)


def test_a_refusal_is_a_result(checkout: Checkout) -> None:
    checkout.params(lambda params: params["gates"].update(min_auc=0.99))
    code, out, _ = script(checkout, "performance", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["passed"] is False
    assert found["reason"].startswith("AUC is 0.")


def test_an_unreachable_server_is_one_sentence_and_exit_1(finished: Checkout) -> None:
    code, out, err = script(finished, "loading", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert code == 1
    assert out == ""
    assert "no answer. Is the server running" in err
    assert "Traceback" not in err


def test_one_flipped_byte_fails_both(finished: Checkout, tmp_path: Path) -> None:
    (model,) = (finished.root / "3.experiments" / "mlruns").rglob("data/bundle/calibration.json")
    kept = tmp_path / "kept"
    shutil.copy(model, kept)
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    try:
        model.write_bytes(bytes(content))
        for name in ("loading", "performance"):
            code, out, err = script(finished, name)
            assert (code, out) == (1, "")
            assert "calibration.json: its SHA-256 is" in err
            assert "Traceback" not in err
    finally:
        shutil.copy(kept, model)
