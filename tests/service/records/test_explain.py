"""What an applicant is told."""

from __future__ import annotations

import datetime as dt
import json

from service.events import event

from creditrisk.service.records.explain import explanation


def test_the_day_is_that_of_the_application_and_not_that_of_the_score() -> None:
    declined = event(0, status="decline")
    answer = json.loads(declined.answer) | {"application_date": "2021-03-05"}
    told = explanation(declined._replace(answer=json.dumps(answer).encode()), None)
    assert told is not None
    assert told.text.startswith("Your application of 2021-03-05 was declined by a statistical model.")


def test_where_none_is_recorded_it_is_the_day_of_the_score_here() -> None:
    declined = event(0, status="decline")
    told = explanation(declined, None)
    assert told is not None
    assert told.text.startswith(f"Your application of {dt.date.fromtimestamp(declined.at / 1e6)} was declined")
