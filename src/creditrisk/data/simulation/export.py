"""Applicants as a lender's system exports them: texts, gaps, and a few values that are plainly wrong."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import Simulation
from creditrisk.data.simulation.population import (
    CHANNEL,
    EDUCATION,
    HOUSING,
    OCCUPATIONS,
    REGIONS,
    SAVINGS,
    SELF_EMPLOYED,
    STATUS,
    Applicants,
    Codes,
    Flags,
    Numbers,
)

Days = NDArray[np.datetime64]

RAW: dict[str, pl.DataType] = {
    "application_id": pl.String(),
    "application_date": pl.String(),
    "age": pl.Int64(),
    "sex": pl.String(),
    "region": pl.String(),
    "education": pl.String(),
    "housing": pl.String(),
    "household_size": pl.Int64(),
    "employment_status": pl.String(),
    "employment_length": pl.String(),
    "occupation": pl.String(),
    "monthly_income": pl.Float64(),
    "monthly_debt_payments": pl.Float64(),
    "savings": pl.String(),
    "loan_amount": pl.Float64(),
    "term": pl.String(),
    "purpose": pl.String(),
    "channel": pl.String(),
    "bureau_score": pl.Int64(),
    "oldest_account": pl.String(),
    "open_accounts": pl.Int64(),
    "card_utilisation": pl.String(),
    "delinquencies_24m": pl.Int64(),
    "months_since_delinquency": pl.Int64(),
    "inquiries_6m": pl.Int64(),
    "phone_verified": pl.String(),
    "outcome": pl.String(),
}
"""The raw table's columns."""
GOOD, BAD, CANCELLED = "repaid", "defaulted", "cancelled"
CANCELLED_SHARE = 0.012
DIRTY_SHARE = 0.003
"""Of the rows have one wrong value."""
DUPLICATE_SHARE = 0.0005
"""Of the rows are exported twice."""

_TEXTS = (
    ("debt consolidation", "Pay off credit cards", "consolidate my loans", "refinancing", "settle overdraft"),
    ("used car", "New car", "car purchase", "Motorbike", "family car, second hand"),
    ("home improvement", "New kitchen", "bathroom renovation", "roof repair", "heating system"),
    ("furniture", "Sofa and beds", "washing machine", "new TV", "household goods"),
    ("medical bills", "dental treatment", "Hospital costs", "glasses and hearing aid", "operation"),
    ("wedding", "Our wedding", "wedding party", "engagement ring", "honeymoon and wedding"),
    ("tuition fees", "Master degree", "training course", "driving licence", "school for the children"),
    ("business", "working capital", "start my own business", "Equipment for my shop", "stock for the store"),
    ("holiday", "Vacation", "trip to see family", "holiday with the kids", "travel"),
    ("other", "personal", "various", "moving house", "unexpected costs"),
    ("invoice bridging loan",) * 5,
)
_WORKS = """
driver nurse teacher clerk cook cleaner engineer accountant waiter electrician carpenter plumber mechanic farmer guard
hairdresser programmer designer lawyer physician pharmacist painter welder butcher baker tailor courier cashier
secretary salesman buyer planner analyst librarian musician journalist photographer gardener fireman policeman
"""
_PURPOSE = pl.Series([text + end for group in _TEXTS for text in group for end in ("", " - urgent")])
_OCCUPATION = pl.Series([f"{rank}{work}" for rank in ("", "senior ", "assistant ") for work in _WORKS.split()])
_LENGTH = pl.Series(["< 1 year", "1 year", *(f"{year} years" for year in range(2, 10)), "10+ years"])
assert _OCCUPATION.len() == OCCUPATIONS


def raw_table(a: Applicants, simulation: Simulation, outcome: Codes, u: Numbers) -> pl.DataFrame:
    """The table as exported.

    Args:
        a: n applicants.
        simulation: for the first month.
        outcome: (n,) 0 repaid, 1 defaulted, 2 cancelled before it was paid out.
        u: (8, n) uniform numbers, for gaps and faults.
    """
    dates = _dates(a, simulation)
    working = a.tenure > 0
    table = pl.DataFrame(
        {
            "application_id": pl.Series(a.number + 1).cast(pl.String).str.zfill(9),
            "application_date": pl.Series(dates).cast(pl.Date).dt.to_string("%Y-%m-%d"),
            "age": a.age.astype(np.int64),
            "sex": _pick(("male", "female"), a.female),
            "region": _pick(REGIONS, a.region),
            "education": _pick(EDUCATION, a.education),
            "housing": _pick(HOUSING, a.housing),
            "household_size": _number(a.household, u[0] > 0.02),
            "employment_status": _pick(STATUS, a.status),
            "employment_length": _pick(_LENGTH, np.minimum(a.tenure, 10).astype(np.int64), working & (u[1] > 0.01)),
            "occupation": _pick(_OCCUPATION, a.occupation, u[2] > 0.03),
            "monthly_income": _number(np.round(a.stated_income, -1), u[3] > _hides_income(a), pl.Float64()),
            "monthly_debt_payments": np.round(a.debts, 2),
            "savings": _pick((*SAVINGS, "no answer"), np.where(u[4] < _hides_savings(a), len(SAVINGS), a.savings)),
            "loan_amount": a.amount,
            "term": pl.Series(a.term.astype(np.int64)).cast(pl.String) + " months",
            "purpose": _pick(_PURPOSE, (a.purpose * 5 + (u[5] * 5).astype(np.int64)) * 2 + a.urgent),
            "channel": _pick(CHANNEL, a.channel),
            "bureau_score": _number(a.score, a.history >= 6),
            "oldest_account": _months_back(dates, a.history),
            "open_accounts": a.accounts.astype(np.int64),
            "card_utilisation": _percent(a.utilisation, a.accounts > 0),
            "delinquencies_24m": a.delinquencies.astype(np.int64),
            "months_since_delinquency": _number(a.delinquent_ago, a.delinquencies > 0),
            "inquiries_6m": a.inquiries.astype(np.int64),
            "phone_verified": _pick(("N", "Y"), a.verified),
            "outcome": _pick((GOOD, BAD, CANCELLED), outcome),
        },
        schema=RAW,
    )
    return _with_faults(table, u[6], u[7])


def _hides_income(a: Applicants) -> Numbers:
    """Who does not say his income: the self-employed, and those whom it would embarrass (missing not at random)."""
    margin = -3.6 + 1.1 * (a.status == SELF_EMPLOYED) + 7.0 * np.clip(a.burden - 0.25, 0, 0.35)
    share: Numbers = 1 / (1 + np.exp(-margin))
    return share


def _hides_savings(a: Applicants) -> Numbers:
    return np.where(a.savings == 0, 0.25, 0.06)


def _pick(values: tuple[str, ...] | pl.Series, codes: Codes | Flags, there: Flags | None = None) -> pl.Series:
    places = pl.Series(codes.astype(np.uint32))
    if there is not None:
        places = places.set(pl.Series(~there), None)
    return (values if isinstance(values, pl.Series) else pl.Series(values)).gather(places)


def _number(values: Numbers | Codes, there: Flags, dtype: pl.DataType | None = None) -> pl.Series:
    return pl.Series(values).cast(dtype or pl.Int64()).set(pl.Series(~there), None)


def _percent(share: Numbers, there: Flags) -> pl.Series:
    texts = pl.Series([f"{tenth // 10}.{tenth % 10}%" for tenth in range(3_000)])
    return _pick(texts, np.clip(np.round(share * 1_000), 0, 2_999).astype(np.int64), there)


def _dates(a: Applicants, simulation: Simulation) -> Days:
    months = np.datetime64(simulation.start, "M") + a.month.astype("timedelta64[M]")
    first = months.astype("datetime64[D]")
    days = ((months + np.timedelta64(1, "M")).astype("datetime64[D]") - first).astype(np.int64)
    found: Days = first + (a.day_share * days).astype("timedelta64[D]")
    return found


def _months_back(dates: Days, months: Numbers) -> pl.Series:
    opened = (dates.astype("datetime64[M]") - months.astype("timedelta64[M]")).astype("datetime64[D]")
    return pl.Series(opened).cast(pl.Date).dt.to_string("%m/%Y").set(pl.Series(months < 1), None)


def _with_faults(table: pl.DataFrame, fault: Numbers, again: Numbers) -> pl.DataFrame:
    """Spoil one value in a few rows, and export a few rows twice."""
    kind = np.where(fault < DIRTY_SHARE, (fault / DIRTY_SHARE * 5).astype(np.int64), -1)
    spoiled = {
        0: pl.col("monthly_income").fill_null(1_000.0).neg().alias("monthly_income"),
        1: pl.lit("tennant").alias("housing"),
        2: pl.concat_str(pl.col("application_date").str.slice(0, 4), pl.lit("-02-31")).alias("application_date"),
        3: pl.lit(999, dtype=pl.Int64).alias("age"),
        4: pl.lit("n/k months").alias("term"),
    }
    table = table.with_columns(
        pl.when(pl.lit(pl.Series(kind == number))).then(wrong).otherwise(pl.col(wrong.meta.output_name()))
        for number, wrong in spoiled.items()
        if (kind == number).any()
    )
    twice = again < DUPLICATE_SHARE
    rows = np.repeat(np.arange(table.height), 1 + twice)
    return table.select(pl.all().gather(pl.Series(rows))) if twice.any() else table
