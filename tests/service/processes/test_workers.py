from pathlib import Path

import pytest

from creditrisk.errors import ServiceError
from creditrisk.service.processes import workers
from creditrisk.service.processes.workers import Seat, living


def test_the_lowest_free_seat_is_taken_and_comes_free_again(tmp_path: Path) -> None:
    first, second = Seat.take(tmp_path), Seat.take(tmp_path)
    assert (first.number, second.number, living(tmp_path)) == (0, 1, {0, 1})
    first.leave()
    assert living(tmp_path) == {1}
    third = Seat.take(tmp_path)
    assert third.number == 0
    second.leave()
    third.leave()


def test_there_is_an_end_to_seats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SEATS", 1)
    seat = Seat.take(tmp_path)
    with pytest.raises(ServiceError, match="already, the most"):
        Seat.take(tmp_path)
    seat.leave()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="cannot be written"):
        Seat.take(tmp_path / "file")
