"""Who applies: draws of applicants and their loans, dependent through a Gaussian copula.

Each latent variable is standard normal; three common factors (wealth, seasoning, financial stress) give the
correlation matrix, which is positive definite by construction. A latent value becomes a number through a monotone
curve, an ordered category through cut points, so ranks are as correlated as the latents are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import Simulation

Numbers = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

EDUCATION = ("none", "secondary", "vocational", "bachelor", "master")
HOUSING = ("with family", "tenant", "mortgage", "owner")
SAVINGS = ("none", "under 1,000", "1,000-5,000", "5,000-20,000", "over 20,000")
STATUS = ("employed", "public sector", "self-employed", "retired", "student", "unemployed")
EMPLOYED, PUBLIC, SELF_EMPLOYED, RETIRED, STUDENT, UNEMPLOYED = range(6)
CHANNEL = ("branch", "web", "app", "broker", "partner")
BRANCH, WEB, APP, BROKER, PARTNER = range(5)
REGIONS = ("North", "South", "East", "West", "Capital", "Lakes", "Highlands", "Coast", "Valley", "Islands", "Harbour")
HARBOUR = REGIONS.index("Harbour")
OCCUPATIONS = 120
"""Different occupations; a few are common and most are rare (Zipf)."""
TERMS = np.array([12, 24, 36, 48, 60, 72])
PURPOSES = (
    "debts",
    "car",
    "home",
    "furniture",
    "medical",
    "wedding",
    "education",
    "business",
    "holiday",
    "other",
    "ring",
)
BUSINESS, RING = PURPOSES.index("business"), PURPOSES.index("ring")

LATENTS: dict[str, tuple[float, float, float]] = {
    "age": (0.10, 0.75, 0.00),
    "education": (0.50, -0.15, -0.05),
    "income": (0.75, 0.20, -0.10),
    "tenure": (0.25, 0.60, -0.10),
    "housing": (0.40, 0.50, -0.10),
    "savings": (0.60, 0.20, -0.35),
    "history": (0.20, 0.70, -0.05),
    "score": (0.30, 0.25, -0.70),
    "utilisation": (-0.20, -0.10, 0.65),
    "delinquencies": (-0.15, 0.00, 0.70),
    "inquiries": (-0.05, -0.25, 0.50),
    "accounts": (0.20, 0.35, 0.20),
    "debts": (0.05, 0.05, 0.50),
    "amount": (0.40, 0.10, 0.05),
    "term": (-0.10, -0.05, 0.25),
}
"""Loadings on wealth, seasoning and stress."""


def correlation() -> Numbers:
    """The copula's correlation matrix, in the order of ``LATENTS``."""
    loadings = np.array(list(LATENTS.values()))
    matrix: Numbers = loadings @ loadings.T
    np.fill_diagonal(matrix, 1.0)
    return matrix


@dataclass
class Applicants:
    """Candidates as they are in truth, one array a variable; money in euro, shares as fractions."""

    number: Codes
    """Running number of the application, from 0."""
    month: Codes
    day_share: Numbers
    """How far through its month the application was made, 0 to 1."""
    age: Numbers
    female: Flags
    region: Codes
    education: Codes
    housing: Codes
    status: Codes
    tenure: Numbers
    """Years with the present employer."""
    occupation: Codes
    household: Codes
    income: Numbers
    """Net, a month."""
    stated_income: Numbers
    debts: Numbers
    """Instalments of other loans, a month."""
    savings: Codes
    amount: Numbers
    term: Numbers
    """Months."""
    purpose: Codes
    urgent: Flags
    channel: Codes
    score: Numbers
    history: Numbers
    """Months since the oldest account; 0 where there is none."""
    accounts: Numbers
    utilisation: Numbers
    delinquencies: Numbers
    delinquent_ago: Numbers
    """Months since the last delinquency; meaningless where there is none."""
    inquiries: Numbers
    verified: Flags
    ring: Flags
    """Made by the fraud ring (a shock)."""

    def __len__(self) -> int:
        return self.number.size

    def take(self, rows: Codes) -> Applicants:
        """Some of them, in this order."""
        return Applicants(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    @property
    def burden(self) -> Numbers:
        """Share of income that all instalments, the new one included, take."""
        share: Numbers = (self.debts + self.amount / self.term * 1.12) / self.income
        return share


def draw(random: np.random.Generator, first: int, count: int, simulation: Simulation) -> Applicants:
    """Draw candidates ``first`` to ``first + count - 1``; what is drawn does not depend on the simulation's rows."""
    root = np.linalg.cholesky(correlation())
    latent = dict(zip(LATENTS, root @ random.standard_normal((len(LATENTS), count)), strict=True))
    u = random.random((16, count))
    month = (u[0] * simulation.months).astype(np.int64)
    age = np.floor(_curve(latent["age"], (-3, 18), (-2, 20), (-1, 27), (0, 38), (1, 51), (2, 66), (3, 82)))
    status = _status(age, u[1], u[2])
    female = u[3] < 0.48
    education = _cut(latent["education"], 0.08, 0.38, 0.62, 0.87)
    income = np.exp(7.62 + 0.42 * latent["income"] + 0.10 * (education - 2) + 0.0015 * month)
    income *= np.array([1.0, 1.02, 1.10, 0.75, 0.45, 0.50])[status] * np.where(female, 0.94, 1.0)
    years = _curve(latent["tenure"], (-3, 0), (-1.5, 0.4), (-0.5, 2), (0.5, 6), (1.5, 14), (3, 40))
    working = (status != RETIRED) & (status != STUDENT) & (status != UNEMPLOYED)
    history = np.floor(_curve(latent["history"], (-3, 0), (-1.3, 0), (-1, 8), (0, 80), (1, 180), (2, 320), (3, 480)))
    delinquencies = _cut(latent["delinquencies"], 0.80, 0.91, 0.96, 0.985)
    applicants = Applicants(
        number=np.arange(first, first + count),
        month=month,
        day_share=u[4],
        age=age,
        female=female,
        region=(u[5] ** 1.3 * len(REGIONS)).astype(np.int64),
        education=education,
        housing=_cut(latent["housing"], 0.12, 0.52, 0.80),
        status=status,
        tenure=np.where(working, np.minimum(years, age - 17), 0.0),
        occupation=np.minimum(np.exp(u[6] * np.log(OCCUPATIONS + 1)).astype(np.int64) - 1, OCCUPATIONS - 1),
        household=1 + (u[7] * (1.6 + 3.4 * np.clip(1 - np.abs(age - 40) / 30, 0, 1))).astype(np.int64),
        income=income,
        stated_income=income,
        debts=income * _curve(latent["debts"], (-3, 0), (-1, 0.01), (0, 0.09), (1, 0.22), (2, 0.36), (3, 0.5)),
        savings=_cut(latent["savings"], 0.22, 0.47, 0.72, 0.90),
        amount=np.clip(np.round(np.exp(8.75 + 0.6 * latent["amount"]), -2), 500, 60_000),
        term=TERMS[_cut(latent["term"], 0.12, 0.32, 0.58, 0.75, 0.93)].astype(np.float64),
        purpose=np.searchsorted(np.cumsum([0.22, 0.2, 0.17, 0.1, 0.06, 0.05, 0.05, 0.06, 0.05]), u[8]),
        urgent=u[9] < 0.08,
        channel=_channel(u[10], month / simulation.months),
        score=np.clip(np.round(650 + 75 * latent["score"]), 300, 850),
        history=np.minimum(history, (age - 18) * 12),
        accounts=np.floor(_curve(latent["accounts"], (-3, 0), (-1.5, 0), (0, 5), (1, 10), (2, 17), (3, 30))),
        utilisation=_curve(latent["utilisation"], (-3, 0), (-1, 0.05), (0, 0.30), (1, 0.70), (2, 0.98), (3, 1.3)),
        delinquencies=delinquencies.astype(np.float64),
        delinquent_ago=np.floor(u[11] * 24),
        inquiries=_cut(latent["inquiries"], 0.35, 0.60, 0.77, 0.88, 0.94, 0.97, 0.985).astype(np.float64),
        verified=u[12] < 0.9,
        ring=np.zeros(count, dtype=bool),
    )
    _shock(applicants, simulation, u[13:16])
    return applicants


def _status(age: Numbers, early: Numbers, work: Numbers) -> Codes:
    status = np.searchsorted(np.cumsum([0.68, 0.14, 0.14]), work)
    status[status == 3] = UNEMPLOYED
    status[(age < 26) & (early < 0.3)] = STUDENT
    status[(age > 60) & (early < (age - 58) / 10)] = RETIRED
    return status


def _channel(u: Numbers, elapsed: Numbers) -> Codes:
    """Applications move from the branch to the app as time goes by."""
    branch, app = 0.38 - 0.15 * elapsed, 0.12 + 0.15 * elapsed
    channel = np.full(u.size, WEB)
    channel[u < branch] = BRANCH
    channel[u > 1 - app] = APP
    channel[(u > 1 - app - 0.1) & (u <= 1 - app)] = BROKER
    return channel


def _shock(applicants: Applicants, simulation: Simulation, u: Numbers) -> None:
    """Change applications from the shock's month on; nothing before it, and nothing where no shock is on."""
    late = applicants.month >= simulation.shock_month
    if "recession" in simulation.shocks:
        lost = late & (u[0] < 0.07) & (applicants.status == EMPLOYED)
        applicants.status[lost], applicants.tenure[lost] = UNEMPLOYED, 0.0
        applicants.income[lost] *= 0.6
        applicants.utilisation[late] *= 1.15
        applicants.stated_income = applicants.income
    if "income_inflation" in simulation.shocks:
        applicants.stated_income = np.where(late, applicants.income * 1.35, applicants.income)
    if "new_channel" in simulation.shocks:
        applicants.channel[late & (u[1] < 0.3)] = PARTNER
    if "fraud_ring" in simulation.shocks:
        ring = late & (u[2] < 0.04)
        applicants.ring = ring
        applicants.region[ring], applicants.purpose[ring], applicants.channel[ring] = HARBOUR, RING, APP
        applicants.score[ring] = np.maximum(applicants.score[ring], 700)
        applicants.delinquencies[ring] = 0
        applicants.stated_income = np.where(ring, 6_500 + 0.2 * applicants.income, applicants.stated_income)


def _curve(z: Numbers, *points: tuple[float, float]) -> Numbers:
    at, value = zip(*points, strict=True)
    found: Numbers = np.interp(z, at, value)
    return found


def _cut(z: Numbers, *shares: float) -> Codes:
    """An ordered code: below the first quantile 0, and so on."""
    return np.searchsorted([NormalDist().inv_cdf(share) for share in shares], z).astype(np.int64)
