import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bank import MLFLOWS_OWN, SMALL, copy_bank, make_narrow, make_servable, mlflow_server
from lender import Lender

from creditrisk.model.bundle import verify
from creditrisk.paths import Project
from creditrisk.service.following.follow import Follower
from creditrisk.service.following.pointer import CHALLENGER_FILE, CHAMPION_FILE, Pointer, read_pointer, write_pointer
from creditrisk.service.following.watch import Watch
from creditrisk.service.settings import ServiceSettings
from creditrisk.tracking.promotion import promote, rollback
from creditrisk.tracking.register import register
from creditrisk.tracking.store import connected

pytestmark = [pytest.mark.filterwarnings(each) for each in MLFLOWS_OWN]
MODEL = "CreditRiskModel-small"


@pytest.fixture
def bank(tmp_path: Path, promoted: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("MLFLOW_TRACKING_URI", "LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    return make_servable(copy_bank(promoted, tmp_path / "bank"))


@pytest.fixture
def watch(bank: Project, tmp_path: Path) -> Watch:
    return watch_of(bank, tmp_path / "state")


def watch_of(bank: Project, state: Path, shadow: bool = False) -> Watch:
    return Watch(bank, ServiceSettings(state=state, shadow=shadow))


def pointer_in(state: Path, name: str = CHAMPION_FILE) -> Pointer:
    found = read_pointer(state / name)
    assert found is not None
    return found


def better(bank: Project, lender: Lender) -> None:
    register(bank, SMALL, lender.bundle("good"))
    assert promote(bank, SMALL, who="test").promoted


def spoil(bank: Project, digest: str) -> None:
    """Change a file of a registered bundle where the registry keeps it."""
    (path,) = [p for p in (bank.experiments / "mlruns").rglob("policy.json") if verify_digest(p.parent) == digest]
    path.write_text(path.read_text() + " ")


def verify_digest(folder: Path) -> str:
    return verify(folder).digest


def test_the_first_look_keeps_a_verified_copy_and_points_at_it(
    watch: Watch, bank: Project, lender: Lender, tmp_path: Path
) -> None:
    report = watch.look()
    assert (report.reachable, report.error, report.waiting, report.alerts) == (True, None, None, {})
    assert (report.model, report.champion, report.challenger) == (MODEL, "1", None)
    (listed,) = report.versions
    assert (listed.aliases, listed.readiness, listed.family) == (("champion",), "promoted", "scorecard")
    assert listed.gates
    pointer = pointer_in(tmp_path / "state")
    assert (pointer.name, pointer.version, pointer.portfolio) == (MODEL, "1", "small")
    assert pointer.digest == lender.manifest("fair").digest
    assert verify(pointer.folder(tmp_path / "state"), pointer.digest)
    shown = json.loads((tmp_path / "state" / CHAMPION_FILE).read_text())
    assert shown["folder"] == f"bundles/{pointer.digest}"


def test_a_promotion_is_followed_and_older_copies_go(
    watch: Watch, bank: Project, lender: Lender, tmp_path: Path
) -> None:
    stale = tmp_path / "state" / "bundles" / ("0" * 64)
    stale.mkdir(parents=True)
    watch.look()
    better(bank, lender)
    assert watch.look().alerts == {}
    new, old = lender.manifest("good").digest, lender.manifest("fair").digest
    assert (pointer_in(tmp_path / "state").digest, pointer_in(tmp_path / "state").previous) == (new, old)
    assert {path.name for path in stale.parent.iterdir()} == {new, old}
    rollback(bank, SMALL, who="test")
    watch.look()
    assert (pointer_in(tmp_path / "state").digest, pointer_in(tmp_path / "state").previous) == (old, new)


def test_a_version_changed_in_the_registry_is_refused_and_not_fetched_again(
    watch: Watch, bank: Project, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.look()
    before = pointer_in(tmp_path / "state")
    better(bank, lender)
    spoil(bank, lender.manifest("good").digest)
    said = watch.look().alerts["champion"]
    assert "policy.json: its SHA-256 is" in said
    assert str(tmp_path) not in said
    monkeypatch.setattr("creditrisk.service.following.follow.obtain", _not_again)
    assert watch.look().alerts["champion"] == said
    assert pointer_in(tmp_path / "state") == before


def _not_again(*_: object) -> None:
    raise AssertionError("it was fetched again")


def test_a_contract_that_refuses_what_was_valid_is_refused(
    watch: Watch, bank: Project, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    watch.look()
    register(bank, SMALL, make_narrow(tmp_path_factory.mktemp("narrow") / "bundle"))
    assert promote(bank, SMALL, who="test").promoted
    report = watch.look()
    assert report.champion == "2"
    assert "months must be at most 60 now" in report.alerts["champion"]
    assert pointer_in(tmp_path / "state").version == "1"
    assert watch_of(bank, tmp_path / "state").look().alerts == report.alerts, "a restart makes no difference"


def test_an_alias_moved_behind_the_ledgers_back_is_an_alarm(
    watch: Watch, bank: Project, lender: Lender, tmp_path: Path
) -> None:
    watch.look()
    register(bank, SMALL, lender.bundle("poor"))
    with connected(bank) as client:
        client.set_registered_model_alias(MODEL, "champion", "2")
    assert "ALARM" in watch.look().alerts["ledger"]
    assert pointer_in(tmp_path / "state").version == "1"


def test_a_registry_that_is_gone_is_said_without_places_and_not_made_anew(
    watch: Watch, bank: Project, tmp_path: Path
) -> None:
    first = watch.look()
    watch._last = first
    store = bank.experiments / "mlflow.db"
    store.rename(tmp_path / "away.db")
    report = watch.look()
    assert not report.reachable
    assert report.error == "tracking store mlflow.db: the file is not there; main.py run makes the first."
    assert report.versions == first.versions
    assert not store.exists()
    (tmp_path / "away.db").rename(store)
    assert watch.look().reachable


def test_no_champion_is_said_with_what_to_do(bank: Project, migrated: Path, lender: Lender, tmp_path: Path) -> None:
    shutil.copy(migrated, bank.experiments / "mlflow.db")
    watch = watch_of(bank, tmp_path / "state")
    assert "main.py run --portfolio small" in (watch.look().waiting or "")
    register(bank, SMALL, lender.bundle("fair"))
    assert "version 1 waits for main.py promote" in (watch.look().waiting or "")
    assert not (tmp_path / "state" / CHAMPION_FILE).exists()


def test_a_challenger_is_fetched_for_the_shadow_alone(bank: Project, lender: Lender, tmp_path: Path) -> None:
    register(bank, SMALL, lender.bundle("good"))
    assert watch_of(bank, tmp_path / "state").look().challenger == "2"
    assert not (tmp_path / "state" / CHALLENGER_FILE).exists()
    watch = watch_of(bank, tmp_path / "state", shadow=True)
    watch.look()
    assert pointer_in(tmp_path / "state", CHALLENGER_FILE).digest == lender.manifest("good").digest
    assert promote(bank, SMALL, who="test").promoted
    watch.look()
    assert not (tmp_path / "state" / CHALLENGER_FILE).exists()


def test_a_damaged_copy_is_fetched_anew(watch: Watch, bank: Project, tmp_path: Path) -> None:
    watch.look()
    before = pointer_in(tmp_path / "state")
    (before.folder(tmp_path / "state") / "policy.json").write_text("{}")
    watch_of(bank, tmp_path / "state").look()
    after = pointer_in(tmp_path / "state")
    assert after.at != before.at
    assert verify(after.folder(tmp_path / "state"), before.digest)


@pytest.mark.parametrize("damage", [lambda path: path.write_text("{"), lambda path: path.unlink()])
def test_a_damaged_pointer_is_written_anew(
    watch: Watch, bank: Project, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    watch.look()
    damage(tmp_path / "state" / CHAMPION_FILE)
    watch_of(bank, tmp_path / "state").look()
    assert pointer_in(tmp_path / "state").version == "1"


def test_another_portfolios_pointer_is_nothing_to_go_by(bank: Project, tmp_path: Path) -> None:
    state = tmp_path / "state"
    write_pointer(state / CHAMPION_FILE, Pointer("other", "7", "a" * 64, "other", None, "2024-01-01"))
    watch_of(bank, state).look()
    assert pointer_in(state).portfolio == "small"
    assert Follower(bank, ServiceSettings(state=state), "other", CHAMPION_FILE).pointer() is None


@pytest.mark.slow
def test_a_tracking_server_that_is_stopped_is_said_and_the_copy_stays(
    bank: Project, migrated: Path, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(bank.experiments)
    bank.experiments.mkdir()
    (tmp_path / "server").mkdir()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with mlflow_server(tmp_path / "server", migrated) as (uri, process):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        register(bank, SMALL, lender.bundle("fair"))
        assert promote(bank, SMALL, who="test").promoted
        watch = watch_of(bank, tmp_path / "state")
        assert watch.look().champion == "1"
        process.terminate()
        process.wait(30)
        report = watch.look()
    assert not report.reachable
    assert report.error is not None
    assert report.error.startswith("tracking store (address left out): no answer.")
    pointer = pointer_in(tmp_path / "state")
    assert verify(pointer.folder(tmp_path / "state"), lender.manifest("fair").digest)
