import asyncio
import datetime as dt
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bank import make_narrow
from lender import Lender
from service.watching import MODEL, point

from creditrisk.model.bundle import verify
from creditrisk.paths import Project
from creditrisk.service.following.pointer import CHAMPION_FILE, Pointer, write_pointer
from creditrisk.service.following.refresh import Refresh
from creditrisk.service.following.report import REPORT_FILE, Listed, Report, write_report
from creditrisk.service.http.hot import Hot
from creditrisk.service.record import Off
from creditrisk.service.service import Service
from creditrisk.service.settings import ServiceSettings


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A worker's parts without a registry: no watch is ever started."""
    found = Service(ServiceSettings(state=tmp_path / "state", portfolio="small"), Project(tmp_path))
    found.hot = Hot(Off(), found.gate, found.counts)
    return found


@pytest.fixture
def refresh(service: Service) -> Refresh:
    return Refresh(service)


def version(service: Service) -> str | None:
    return service.model.named.version if service.model else None


def test_the_copy_is_loaded_at_once_and_the_next_one_swapped_in(
    service: Service, refresh: Refresh, lender: Lender
) -> None:
    point(service.settings.state, lender, "fair", "1")
    refresh.first()
    assert (version(service), service.trouble, service.alerts) == ("1", "", {})
    point(service.settings.state, lender, "good", "2")
    asyncio.run(refresh._champion())
    assert (version(service), service.alerts) == ("2", {})


def test_without_a_copy_it_says_what_it_waits_for(service: Service, refresh: Refresh) -> None:
    refresh.first()
    assert (service.model, service.trouble) == (None, "the registry has not been looked at yet")
    assert refresh.registry() == {"reachable": False, "since": None, "error": service.trouble}


def test_a_narrower_contract_is_refused_by_the_worker_too(
    service: Service, refresh: Refresh, lender: Lender, tmp_path: Path
) -> None:
    state = service.settings.state
    point(state, lender, "fair", "1")
    refresh.first()
    narrow = make_narrow(tmp_path / "narrow")
    digest = verify(narrow).digest
    shutil.copytree(narrow, state / "bundles" / digest)
    write_pointer(state / CHAMPION_FILE, Pointer(MODEL, "2", digest, "small", None, "now"))
    asyncio.run(refresh._champion())
    assert version(service) == "1"
    assert "months must be at most 60 now" in service.alerts["swap"]


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        (Pointer("Other", "3", "a" * 64, "other", None, "now"), "made for portfolio 'other', not for 'small'"),
        (Pointer(MODEL, "3", "a" * 64, "small", None, "now"), "no manifest.json there"),
    ],
)
def test_a_pointer_at_what_is_not_ours_is_refused(
    service: Service, refresh: Refresh, pointer: Pointer, said: str, tmp_path: Path
) -> None:
    write_pointer(service.settings.state / CHAMPION_FILE, pointer)
    refresh.first()
    assert service.model is None
    assert said in service.trouble
    assert str(tmp_path) not in service.trouble


def test_a_damaged_pointer_is_said(service: Service, refresh: Refresh, lender: Lender) -> None:
    point(service.settings.state, lender, "fair", "1")
    refresh.first()
    (service.settings.state / CHAMPION_FILE).write_text('{"digest": "../../etc"}')
    asyncio.run(refresh._champion())
    assert version(service) == "1"
    assert "champion.json: cannot be read" in service.alerts["swap"]


def test_a_folder_that_another_portfolios_service_holds_is_said(service: Service, refresh: Refresh) -> None:
    report = Report("other", True, "2024-01-01", time.time(), 1)
    write_report(service.settings.state / REPORT_FILE, report)
    refresh.first()
    assert "for portfolio 'other'; set CREDITRISK_SERVICE_STATE" in service.trouble
    assert refresh.report is None


def test_a_report_of_long_ago_says_nothing_of_today(service: Service, refresh: Refresh) -> None:
    write_report(service.settings.state / REPORT_FILE, Report("small", True, "2024-01-01", 0.0, 1))
    refresh.first()
    assert not refresh.registry()["reachable"]


def test_gates_and_age_of_the_model_that_answers_come_from_the_report(
    service: Service, refresh: Refresh, lender: Lender
) -> None:
    state = service.settings.state
    point(state, lender, "fair", "1")
    digest, made = lender.manifest("fair").digest, "2024-05-01T00:00:00+00:00"
    listed = Listed("1", ("champion",), digest, "scorecard", made, "promoted", "good", {"AUC": 0.7})
    write_report(state / REPORT_FILE, Report("small", True, made, time.time(), 1, versions=(listed,)))
    refresh.first()
    assert service.evidence == {"readiness": "promoted", "reason": "good", "gates": {"AUC": 0.7}}
    assert service.model_made == dt.datetime.fromisoformat(made).timestamp()


def test_a_worker_imports_no_registry() -> None:
    heavy = ("mlflow", "pandas", "sklearn", "creditrisk.tracking")
    text = f"import sys, creditrisk.service.app; sys.exit(str([n for n in {heavy!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
