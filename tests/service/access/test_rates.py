import subprocess
import sys
from pathlib import Path

import pytest
from service.conftest import Guarded
from service.running import APPLICATION

from creditrisk.errors import ServiceError
from creditrisk.service.access.rates import Rates

HAMMER = """
import sys
from pathlib import Path
from creditrisk.service.access.rates import Rates

rates = Rates(Path(sys.argv[1]), int(sys.argv[2]), lambda: 120.0)
print("ready", flush=True)
sys.stdin.readline()
print(sum(rates.take(7, 2_000) == 0 for _ in range(1_900)))
"""


def test_the_sum_over_the_workers_is_limited(tmp_path: Path) -> None:
    workers = [Rates(tmp_path / "rates", seat, lambda: 61.0) for seat in (0, 3)]
    taken = [workers[n % 2].take(0, 5) for n in range(8)]
    assert taken == [0, 0, 0, 0, 0, 59, 59, 59]
    assert workers[0].take(1, 5) == 0, "another key has a row of its own"


def test_two_processes_at_once_are_over_the_limit_by_one_at_most(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HAMMER, str(tmp_path / "rates")]
    pipe = subprocess.PIPE
    both = [subprocess.Popen([*command, seat], stdin=pipe, stdout=pipe, text=True) for seat in ("0", "1")]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    let_through = sum(int(process.communicate()[0]) for process in both)
    assert 2_000 <= let_through <= 2_001


def test_a_new_minute_begins_at_nothing(tmp_path: Path) -> None:
    now = [59.0]
    rates = Rates(tmp_path / "rates", 0, lambda: now[0])
    assert [rates.take(0, 1), rates.take(0, 1)] == [0, 1]
    now[0] = 60.0
    assert [rates.take(0, 1), rates.take(0, 1)] == [0, 60]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="cannot be made"):
        Rates(tmp_path / "none" / "rates", 0)


def test_a_server_says_when_to_come_back(guarded: Guarded) -> None:
    with guarded.client("slow") as client:
        found = [client.post("/v1/score", json={"application": APPLICATION}) for _ in range(3)]
        found += [client.get("/v1/model") for _ in range(2)]
    refused = [answer for answer in found if answer.status_code == 429]
    assert len(refused) >= 3, "a new minute may begin meanwhile, but not twice"
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refused)
