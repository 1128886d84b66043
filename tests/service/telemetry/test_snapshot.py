from pathlib import Path

import pytest

from creditrisk.service.processes.workers import Seat
from creditrisk.service.telemetry.counts import Counts
from creditrisk.service.telemetry.snapshot import Keeper, Snapshot, add, read, read_all


def counted(route: str = "/v1/score", times: int = 1) -> Counts:
    counts = Counts()
    counts.watch("1@d", [0.1, 0.2])
    for _ in range(times):
        counts.answered(route, 200, 0.002)
        counts.scored("A", "approve", "1@d", 0.15)
    return counts


def keep(keeper: Keeper, waiting: int = 0, failures: int = 0) -> None:
    keeper.take(waiting, 0.0, failures, None, [])
    keeper.write()


def test_a_worker_goes_on_from_what_the_one_before_it_counted(tmp_path: Path) -> None:
    keep(Keeper(tmp_path, 0, counted(times=3)), failures=1)
    counts = counted(times=2)
    keeper = Keeper(tmp_path, 0, counts)
    for _ in range(2):  # writing twice counts nothing twice
        keeper.take(4, 0.5, 1, "1@d", ["refused"])
        keeper.write()
    found = read(tmp_path / "0.json")
    assert found.requests == [("/v1/score", 200, 5)]
    assert found.scores == [("A", "approve", "1@d", 5)]
    assert sum(found.latency["/v1/score"]) == 5
    assert (found.failures, found.waiting, found.version, found.alerts) == (2, 4, "1@d", ["refused"])


def test_the_ring_holds_an_hour_of_pds_by_minute(tmp_path: Path) -> None:
    now = [6_000.0]
    counts = counted(times=2)
    keeper = Keeper(tmp_path, 0, counts, lambda: now[0])
    keep(keeper)
    counts.scored("A", "approve", "1@d", 0.05)
    now[0] += 60
    keep(keeper)
    assert read(tmp_path / "0.json").bins == {100: {"1@d": [0, 2, 0]}, 101: {"1@d": [1, 0, 0]}}
    now[0] += 59 * 60
    keep(keeper)
    assert read(tmp_path / "0.json").bins == {101: {"1@d": [1, 0, 0]}}


def test_the_dead_count_in_sums_and_not_in_what_is_now(tmp_path: Path) -> None:
    seats, folder = tmp_path / "workers", tmp_path / "metrics"
    first, second = Seat.take(seats), Seat.take(seats)
    for seat in (first, second):
        keep(Keeper(folder, seat.number, counted(times=1 + seat.number)), waiting=seat.number)
    first.leave()
    every, alive = read_all(folder, seats)
    second.leave()
    assert add(every).requests == [("/v1/score", 200, 3)]
    assert [item.waiting for item in alive] == [1]


@pytest.mark.parametrize("content", [b"{", b'{"requests":[["\xff",200,1]]}'])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.json").write_bytes(content)
    assert read(tmp_path / "0.json") == Snapshot()
