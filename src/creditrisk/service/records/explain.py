"""What an applicant who was declined may ask for: the reasons, in words that a person reads."""

from __future__ import annotations

import datetime as dt

import msgspec

from creditrisk.service.record import Event


class _Reason(msgspec.Struct):
    text: str


class _Answer(msgspec.Struct):
    reasons: list[_Reason] = []
    application_date: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """Why an application was declined, or what happens to it now."""

    text: str
    reasons: list[str]
    decided_by: str
    """model or person."""


def explanation(decision: Event, review: Event | None) -> Explanation | None:
    """The explanation of a decision; None where it is (or was, after a review) an approval.

    Args:
        review: the last one.
    """
    verdict = review.status if review is not None else decision.status
    if verdict not in ("decline", "refer"):
        return None
    answer = msgspec.json.decode(decision.answer, type=_Answer)
    reasons = [reason.text for reason in answer.reasons]
    day = answer.application_date or dt.date.fromtimestamp(decision.at / 1e6).isoformat()
    if verdict == "refer":
        text = f"Your application of {day} was not decided by the model; a person is looking at it."
        return Explanation(f"{text} {_listed('What speaks against it so far', reasons)}".strip(), reasons, "model")
    who = "a person" if review is not None else "a statistical model"
    opening = f"Your application of {day} was declined by {who}."
    return Explanation(
        f"{opening} {_listed('The main reasons', reasons)}".strip(),
        reasons,
        "person" if review is not None else "model",
    )


def _listed(what: str, reasons: list[str]) -> str:
    if not reasons:
        return ""
    lines = " ".join(f"{number}. {reason.rstrip('.')}." for number, reason in enumerate(reasons, 1))
    return f"{what}, compared with the average applicant, the weightiest first: {lines}"
