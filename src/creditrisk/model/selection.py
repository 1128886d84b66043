"""Defaults that fit the table: which family, which capacity and how many rounds, settled on inner folds.

What suits a thousand rows loses accuracy on twenty-five thousand with strong interactions, so no default fits all.
Family ``auto`` takes the explainable boosting machine, a glass box, unless CatBoost's AUC is better by more than one
standard error of the paired difference. A blend's members are settled one after the other, as if each stood alone.
Where a customer has several rows, folds keep them together and errors count customers. Whatever params fixes is not
searched.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from creditrisk.errors import DataError
from creditrisk.model.family import SMALL, TrainingData, candidates
from creditrisk.model.folds import inner_folds
from creditrisk.model.race import Entrant, Race, stratified_sample
from creditrisk.params import ModelParams

GLASS_BOX, BLACK_BOX = "ebm", "catboost"
REPEATS = 2
"""How often folds of a small table are drawn: one draw says too little."""
SEARCH_RATE = 0.08
"""Learning rate of CatBoost while searching; what is won goes back as rounds at the final, lower rate."""
SEARCH_BAGS = 0.5
"""Share of the glass box's bags while searching: more of them steady the mean, of every setting alike."""
GROWTH = 0.4
"""More rows bear more rounds: by this power of their ratio."""
MIN_ROUNDS, MAX_ROUNDS = 30, 20_000
STOPS_EARLY = ("catboost", "lightgbm", "xgboost")
LEAST_SECONDS = 1e-3
"""What a blend's last members get where the first ones took all the time: one fold."""


@dataclass(frozen=True)
class Selection:
    """What was settled, and what it was chosen from.

    ``leaderboard`` holds an entry for each setting tried: family, setting, folds run, mean AUC and log loss with
    standard errors, best rounds, seconds, whether it was chosen, and a note where it was cut short.
    """

    family: str
    params: ModelParams
    leaderboard: list[dict[str, Any]]


def select(
    data: TrainingData, params: ModelParams, seed: int, clock: Callable[[], float] = time.monotonic
) -> Selection:
    """Settle family, capacity and rounds.

    Args:
        data: the training rows; at most ``params.subsample`` of them are used.
        params: what it fixes is kept; ``budget_seconds`` ends the search.
        seed: makes the search repeatable, unless the time ends it.
        clock: a monotonic time in seconds.

    Raises:
        DataError: a class has too few rows for the folds; ModelError: a family cannot be fitted.
    """
    data = data.counted()
    if params.family == "blend":
        return _select_members(data, params, seed, clock)
    rows = data.table.height
    families = (GLASS_BOX, BLACK_BOX) if params.family == "auto" else (params.family,)
    offered = {family: candidates(family, rows, params) for family in families}
    entrants = [_entrant(family, offer, params) for family, offer in _in_order(offered, rows)]
    if len(entrants) == 1 and not entrants[0].stops_early:
        return Selection(families[0], entrants[0].final, [])
    sample = data.take(stratified_sample(data.y, params.subsample, seed))
    repeats = REPEATS if sample.table.height <= SMALL else 1
    _enough(sample, params.folds)
    folds = inner_folds(sample, params.folds, repeats, seed)
    race = Race(sample, folds, entrants, params.budget_seconds, clock, params.folds)
    race.run(seed)
    leaders = {family: _leader(race, family) for family in families if _ran(race, family)}
    chosen, reason = _decide(race, leaders)
    final = _final(chosen, rows / (sample.table.height * (1 - 1 / params.folds)))
    board = [_entry(race, entrant, entrant is chosen, reason) for entrant in entrants]
    return Selection(chosen.family, final, board)


def _select_members(data: TrainingData, params: ModelParams, seed: int, clock: Callable[[], float]) -> Selection:
    """Settle each member of a blend; each gets an equal share of the time that is left."""
    began, settled, board = clock(), params, list[dict[str, Any]]()
    members = params.blend.members
    for place, member in enumerate(members):
        share = (params.budget_seconds - (clock() - began)) / (len(members) - place)
        alone = {"family": member, "budget_seconds": max(share, LEAST_SECONDS)}
        found = select(data, params.model_copy(update=alone), seed, clock)
        settled = settled.model_copy(update={member: getattr(found.params, member)})
        board += found.leaderboard
    return Selection("blend", settled, board)


def _in_order(offered: dict[str, list[ModelParams]], rows: int) -> list[tuple[str, ModelParams]]:
    """The first setting of each family, then the black box's further ones, then the glass box's.

    Between two families on a table that is not small the glass box has its first setting alone: where its main
    interactions do not suffice the black box will show it, and its larger settings take the longest of all.
    """
    first = [(family, settings[0]) for family, settings in offered.items()]
    further = [family for family in reversed(offered) if len(offered) == 1 or family != GLASS_BOX or rows <= SMALL]
    return first + [(family, setting) for family in further for setting in offered[family][1:]]


def _entrant(family: str, offer: ModelParams, given: ModelParams) -> Entrant:
    fixed = family in STOPS_EARLY and getattr(given, family).rounds is not None
    if family == "catboost" and not fixed and given.catboost.learning_rate is None:
        own = offer.catboost
        rounds = round((own.rounds or 0) * (own.learning_rate or SEARCH_RATE) / SEARCH_RATE)
        hastened = own.model_copy(update={"learning_rate": SEARCH_RATE, "rounds": max(rounds, MIN_ROUNDS)})
        return Entrant(family, offer.model_copy(update={"catboost": hastened}), offer, stops_early=True)
    if family == "ebm":
        fewer = offer.ebm.model_copy(update={"bags": math.ceil(SEARCH_BAGS * offer.ebm.bags)})
        return Entrant(family, offer.model_copy(update={"ebm": fewer}), offer, stops_early=False)
    return Entrant(family, offer, offer, stops_early=family in STOPS_EARLY and not fixed)


def _enough(sample: TrainingData, folds: int) -> None:
    fewest = int(min(sample.y.sum(), (1 - sample.y).sum()))
    if fewest < 2 * folds:
        raise DataError(
            f"training table: only {fewest} rows of one outcome; {folds} inner folds need at least {2 * folds}. "
            "Get more rows, lower model.folds, or name model.family and its settings in params.yaml."
        )


def _ran(race: Race, family: str) -> bool:
    return any(entrant.folds for entrant in race.entrants if entrant.family == family)


def _leader(race: Race, family: str) -> Entrant:
    """The best log loss among the family's entrants that ran the most folds."""
    own = [entrant for entrant in race.entrants if entrant.family == family]
    most = max(entrant.folds for entrant in own)
    return min((one for one in own if one.folds == most), key=lambda one: race.log_loss(one, most)[0])


def _decide(race: Race, leaders: dict[str, Entrant]) -> tuple[Entrant, str]:
    if len(leaders) == 1:
        (only,) = leaders.values()
        return only, "the best log loss on inner folds"
    glass, black = leaders[GLASS_BOX], leaders[BLACK_BOX]
    folds = min(glass.folds, black.folds)
    gain, error = race.auc_gain(black, glass, folds)
    says = f"{BLACK_BOX} {gain:+.4f} AUC against {GLASS_BOX}, standard error {error:.4f}"
    return (black, says) if gain > error else (glass, says)


def _final(chosen: Entrant, growth: float) -> ModelParams:
    """The chosen setting with its best rounds, scaled to the final learning rate and to the rows of the whole table."""
    if not chosen.stops_early:
        return chosen.final
    tried, final = getattr(chosen.params, chosen.family), getattr(chosen.final, chosen.family)
    rounds = grown(float(np.mean(chosen.rounds)) * tried.learning_rate / final.learning_rate, growth)
    return chosen.final.model_copy(update={chosen.family: final.model_copy(update={"rounds": rounds})})


def grown(rounds: float, growth: float) -> int:
    """Rounds settled on some rows, for ``growth`` times as many."""
    return int(np.clip(round(rounds * growth**GROWTH), MIN_ROUNDS, MAX_ROUNDS))


def _entry(race: Race, entrant: Entrant, chosen: bool, reason: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "family": entrant.family,
        "setting": getattr(entrant.params, entrant.family).model_dump(mode="json"),
        "folds": entrant.folds,
        "chosen": chosen,
        "note": reason if chosen else entrant.out,
    }
    if entrant.folds:
        for name, (mean, error) in (
            ("auc", race.auc(entrant, entrant.folds)),
            ("log_loss", race.log_loss(entrant, entrant.folds)),
        ):
            entry |= {name: mean, f"{name}_se": error}
    return entry | {"rounds": entrant.rounds}
