"""What happens to a loan: its true probability of default, and which applications an older policy let through."""

from __future__ import annotations

import numpy as np

from creditrisk.contract import Simulation
from creditrisk.data.simulation.population import (
    BRANCH,
    BROKER,
    BUSINESS,
    OCCUPATIONS,
    PARTNER,
    REGIONS,
    SELF_EMPLOYED,
    STUDENT,
    UNEMPLOYED,
    Applicants,
    Codes,
    Flags,
    Numbers,
)

INTERCEPT = -3.03
STRENGTH = 0.85
"""Of all effects; it settles how far the true PD can part good from bad."""
CYCLE_MONTHS = 40
PURPOSE = np.array([0.25, -0.15, -0.2, 0.0, 0.3, 0.05, -0.1, 0.35, 0.2, 0.1, 0.0])
STATUS = np.array([0.0, -0.3, 0.1, -0.1, 0.25, 0.9])
HOUSING = np.array([0.05, 0.25, -0.1, -0.3])
_fixed = np.random.default_rng(20240229)  # the economy: the same whatever a simulation's seed
REGION = _fixed.normal(0, 0.12, len(REGIONS))
OCCUPATION = _fixed.normal(0, 0.15, OCCUPATIONS)


def true_pd(applicants: Applicants, simulation: Simulation) -> Numbers:
    """Probability of default within twelve months, before label noise."""
    margin = INTERCEPT + STRENGTH * (_main_effects(applicants) + _interactions(applicants)) + macro(applicants.month)
    late = applicants.month >= simulation.shock_month
    if "recession" in simulation.shocks:
        margin = margin + 0.75 * late
    margin = margin + 0.5 * (applicants.channel == PARTNER)
    margin = np.where(applicants.ring, np.log(0.55 / 0.45), margin)
    pd: Numbers = 1 / (1 + np.exp(-np.asarray(margin)))
    return pd


def macro(month: Codes) -> Numbers:
    """The economy's part in the log-odds, by month."""
    cycle: Numbers = 0.25 * np.sin(2 * np.pi * (month + 6) / CYCLE_MONTHS)
    return cycle


def _main_effects(a: Applicants) -> Numbers:
    known = a.history >= 6
    effects: Numbers = (
        -0.5 * np.tanh((a.score - 670) / 45) * known
        + 0.7 * np.clip((a.utilisation - 0.55) / 0.15, 0, 1) * (a.accounts > 0)
        + 3.0 * np.clip(a.burden - 0.32, 0, 0.35)
        + 0.04 * np.minimum(a.inquiries, 6)
        + 0.35 * np.minimum(a.delinquencies, 3)
        + 0.9 * (a.delinquencies > 0) * np.exp(-a.delinquent_ago / 8)
        - 0.22 * np.log1p(a.tenure)
        + 0.9 * (np.abs(a.accounts - 6.5) > 5)
        + 0.008 * np.abs(a.age - 46)
        - 0.05 * a.education
        - 0.10 * a.savings
        + 0.35 * ~a.verified
        + 0.30 * a.urgent
        + 0.25 * (a.channel == BROKER)
    )
    effects += PURPOSE[a.purpose] + STATUS[a.status] + HOUSING[a.housing]
    return effects + REGION[a.region] + OCCUPATION[a.occupation]


def _interactions(a: Applicants) -> Numbers:
    """What no sum of functions of one variable each can say."""
    thin, used = a.history < 6, a.utilisation * (a.accounts > 0)
    hungry = (a.inquiries >= 2) & (used > 0.4)
    effects: Numbers = (
        1.6 * hungry
        + np.where(thin, np.where(a.channel != BRANCH, 1.0, -0.2), 0.0)
        + 5.0 * np.clip(a.burden - 0.25, 0, 0.25) * (a.savings <= 1)
        + 0.9 * ((a.status == SELF_EMPLOYED) & (a.tenure < 3))
        + np.where(a.purpose == BUSINESS, np.where(a.status == SELF_EMPLOYED, -1.0, 0.5), 0.0)
        + 1.1 * ((a.term >= 48) & (a.tenure < 2))
        - 1.4 * ((a.score > 680) & (used < 0.3) & ~thin)
        + 0.5 * np.isin(a.status, (STUDENT, UNEMPLOYED)) * (a.amount > 6_000)
    )
    return effects


def approved(applicants: Applicants, noise: Numbers) -> Flags:
    """The former policy: a crude points score, with exceptions made by hand (``noise``, standard normal)."""
    points = (
        (applicants.score - 650) / 75
        - 0.8 * applicants.delinquencies
        - 1.5 * np.clip(applicants.burden - 0.25, 0, 1)
        + 0.3 * (applicants.housing >= 2)
        - 0.8 * (applicants.status == UNEMPLOYED)
        + 0.6 * noise
    )
    passed: Flags = (points > -0.65) | applicants.ring
    return passed
