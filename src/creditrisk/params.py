"""Params: the typed form of ``4.dvc_pipeline/params.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from creditrisk.contract import Name
from creditrisk.errors import ContractError
from creditrisk.settings import Frozen

Share = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[float, Field(ge=0)]
Points = Annotated[float, Field(ge=-1e9, le=1e9)]
Pdo = Annotated[float, Field(gt=0, le=1e9)]
Family = Literal["scorecard", "ebm", "catboost", "lightgbm", "xgboost", "blend"]
FAMILIES: tuple[Family, ...] = ("scorecard", "ebm", "catboost", "lightgbm", "xgboost", "blend")
Member = Literal["scorecard", "ebm", "catboost", "lightgbm", "xgboost"]
"""A family that a blend can be made of."""
OneHot = Annotated[int, Field(ge=2, le=200)]


class Split(Frozen):
    """How rows are parted; the shares are of rows (hash) or, for ``test`` in time order, of the months' rows."""

    method: Literal["auto", "time", "hash"] = "auto"
    """auto: out-of-time where the contract has a time column, else by hash."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.25
    calibration: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the rows that are not test rows."""
    test_months: Annotated[int, Field(ge=1)] | None = None
    """Out-of-time: the last so many months are the test part; null goes by the contract's ``test_from``, and where
    that is absent takes as many whole months as make up ``test``."""
    embargo_months: Annotated[int, Field(ge=0)] = 0
    """Months left out between training and test rows, for outcomes that were not yet known then."""

    @model_validator(mode="after")
    def _room_to_train(self) -> Split:
        if self.test + self.calibration >= 0.95:
            raise ValueError(f"test {self.test} and calibration {self.calibration} leave too little to train on")
        return self


class ScorecardParams(Frozen):
    """WOE bins and a logistic regression."""

    max_bins: Annotated[int, Field(ge=2, le=50)] = 8
    min_bin_share: Annotated[float, Field(gt=0, le=0.5)] = 0.03
    min_iv: Annotated[float, Field(ge=0)] = 0.02
    c: Annotated[float, Field(gt=0)] = 1.0


class EbmParams(Frozen):
    """Explainable boosting machine; null means settled on inner folds."""

    bags: Annotated[int, Field(ge=1, le=64)] = 4
    rounds: Annotated[int, Field(ge=10, le=50_000)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.04
    interactions: Annotated[int, Field(ge=0, le=200)] | None = None
    """Pairs of inputs in interpret's machine, which leaves inputs with a direction out of them."""
    tree_pairs: Annotated[int, Field(ge=0, le=500)] | None = None
    """Pairs in the boosted trees that the machine is averaged with; 0: no trees."""
    max_bins: Annotated[int, Field(ge=8, le=1024)] = 256
    max_leaves: Annotated[int, Field(ge=2, le=16)] = 2
    """Steps that one round adds to an input; a pair's are not counted. Three lose .0000 to .0038 AUC against two on the
    folds of the four real portfolios."""
    l2: Annotated[float, Field(ge=0)] = 10.0
    """Penalty on each step's size: the higher, the less a bin of few rows moves."""
    one_hot_up_to: OneHot | None = None
    """In place of ``encoding.one_hot_up_to`` for this family; null: encoding's."""


class CatboostParams(Frozen):
    """Oblivious trees; null means settled on inner folds."""

    rounds: Annotated[int, Field(ge=10, le=20_000)] | None = None
    depth: Annotated[int, Field(ge=1, le=8)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    l2_leaf_reg: Annotated[float, Field(ge=0)] = 3.0
    one_hot_up_to: OneHot | None = None
    """In place of ``encoding.one_hot_up_to`` for this family; null: encoding's."""


class LightgbmParams(Frozen):
    """Leaf-wise trees; null means settled on inner folds."""

    rounds: Annotated[int, Field(ge=10, le=20_000)] | None = None
    leaves: Annotated[int, Field(ge=2, le=255)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.03
    min_rows_in_leaf: Annotated[int, Field(ge=1)] = 40
    feature_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    one_hot_up_to: OneHot | None = None
    """In place of ``encoding.one_hot_up_to`` for this family; null: encoding's."""


class XgboostParams(Frozen):
    """Leaf-wise trees of XGBoost; null means settled on inner folds."""

    rounds: Annotated[int, Field(ge=10, le=20_000)] | None = None
    leaves: Annotated[int, Field(ge=2, le=255)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.03
    min_child_weight: Annotated[float, Field(ge=0)] = 5.0
    """Least sum of PD (1 - PD) over a leaf's rows: at a bad rate of ten per cent 5 are some 55 rows."""
    feature_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    l2: Annotated[float, Field(ge=0)] = 1.0
    one_hot_up_to: OneHot | None = None
    """In place of ``encoding.one_hot_up_to`` for this family; null: encoding's."""


class BlendParams(Frozen):
    """A weighted sum of the margins of several families, each with its own parameters."""

    members: Annotated[tuple[Member, ...], Field(min_length=2)] = ("ebm", "catboost")
    weights: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] | None = None
    """One for each member, not negative; null: fitted on out-of-fold margins."""
    intercept: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Null: fitted together with the weights, and 0 where these are given."""

    @model_validator(mode="after")
    def _belong_together(self) -> BlendParams:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members {list(self.members)} name a family twice")
        if self.weights is None:
            if self.intercept is not None:
                raise ValueError(f"intercept {self.intercept} is given without weights; give both or neither")
        elif len(self.weights) != len(self.members):
            raise ValueError(f"{len(self.weights)} weights for the {len(self.members)} members {list(self.members)}")
        elif not any(self.weights):
            raise ValueError("all weights are 0, so no member would say anything")
        return self


class Encoding(Frozen):
    """How categories become numbers in families without statistics of their own."""

    one_hot_up_to: OneHot = 40
    min_rows: Annotated[int, Field(ge=1)] = 5
    """Values seen in fewer training rows are pooled: too rare to learn from, and to be anonymous. Where a customer may
    have several rows (the contract's ``group``), customers count in place of rows."""


class ModelParams(Frozen):
    """Which family, and how what is not fixed gets settled."""

    family: Literal["auto", "scorecard", "ebm", "catboost", "lightgbm", "xgboost", "blend"] = "auto"
    monotone: bool = True
    """Whether the contract's monotone directions bind."""
    subsample: Annotated[int, Field(ge=500)] = 20_000
    folds: Annotated[int, Field(ge=2, le=20)] = 3
    budget_seconds: Annotated[float, Field(gt=0)] = 30.0
    encoding: Encoding = Encoding()
    scorecard: ScorecardParams = ScorecardParams()
    ebm: EbmParams = EbmParams()
    catboost: CatboostParams = CatboostParams()
    lightgbm: LightgbmParams = LightgbmParams()
    xgboost: XgboostParams = XgboostParams()
    blend: BlendParams = BlendParams()

    def for_family(self, family: str) -> ModelParams:
        """These params as one family reads them: its own ``one_hot_up_to``, where it has one, in ``encoding``."""
        own = getattr(getattr(self, family), "one_hot_up_to", None)
        if own is None:
            return self
        return self.model_copy(update={"encoding": self.encoding.model_copy(update={"one_hot_up_to": own})})


class CalibrationParams(Frozen):
    """auto takes Platt's unless there are 100 calibration rows of each outcome and another is better on folds of them,
    by over one standard error.
    """

    method: Literal["auto", "platt", "beta", "isotonic"] = "auto"


BANDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Limits of the risk bands A to G: each band's PD is twice that of the one before."""


class PolicyParams(Frozen):
    """PD cut-offs and the score's scale; auto cut-offs are 1 and 2.5 times the training bad rate."""

    approve_below: Share | Literal["auto"] = "auto"
    decline_from: Share | Literal["auto"] = "auto"
    base_score: Points = 600.0
    base_odds: Annotated[float, Field(gt=0)] = 50.0
    """Good to bad odds at ``base_score``."""
    pdo: Pdo = 20.0
    """Points that double the odds."""
    bands: Annotated[tuple[Share, ...], Field(max_length=25)] = BANDS
    """PDs at which the next risk band begins, rising; the first band is A."""

    @model_validator(mode="after")
    def _ordered(self) -> PolicyParams:
        if list(self.bands) != sorted(set(self.bands)):
            raise ValueError(f"bands {list(self.bands)} must rise")
        low, high = self.approve_below, self.decline_from
        if isinstance(low, float) and isinstance(high, float) and low > high:
            raise ValueError(f"approve_below {low} is above decline_from {high}")
        return self


class EvaluationParams(Frozen):
    """How uncertain figures are given."""

    bootstrap: Annotated[int, Field(ge=50, le=10_000)] = 300
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class GatesParams(Frozen):
    """Gates of the readiness tests. Thresholds hold for the confidence bound on the unfavourable side."""

    mode: Literal["champion", "threshold"] = "champion"
    """champion: against the champion where there is one (option B); threshold: always by the thresholds (option A)."""
    min_accuracy: Share | None = None
    """Share of rows on the right side of a PD of one half; null asks for none: it says little where bads are few."""
    min_auc: Share = 0.6
    min_ks: Share = 0.15
    max_brier_ratio: Annotated[float, Field(gt=0)] = 1.0
    """Upper bound of the Brier score over that of the constant base rate."""
    calibration_slope: tuple[float, float] = (0.7, 1.4)
    calibration_in_the_large: Annotated[float, Field(ge=0)] = 0.35
    """Largest absolute difference of log-odds between mean PD and bad rate that the interval may exclude."""
    margin_brier: Margin = 0.002
    margin_calibration: Margin = 0.1
    margin_psi: Margin = 0.1
    margin_adverse_impact: Margin = 0.05
    """What a group's adverse impact ratio may lose to the champion's; a loss within chance does not refuse."""
    margin_latency_ratio: Annotated[float, Field(gt=0)] = 3.0

    @model_validator(mode="after")
    def _an_interval(self) -> GatesParams:
        low, high = self.calibration_slope
        if low >= high:
            raise ValueError(f"calibration_slope [{low:g}, {high:g}] is no interval; write its lower end first")
        return self


class RegistryParams(Frozen):
    """Names in MLflow."""

    experiment: str = "credit-risk"
    model: str = "CreditRiskModel"
    """The default portfolio's registered model; another portfolio's is this name, a hyphen and its own."""
    default_portfolio: Name = "simulated"


class Params(Frozen):
    """Everything in params.yaml."""

    portfolio: Name = "simulated"
    table: str = "../1.data/portfolios/simulated.yaml"
    """The file that the first stage watches, from the pipeline's folder: the portfolio's table where it is a local
    one, else its contract. ``main.py use`` keeps it in step with ``portfolio``."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    split: Split = Split()
    model: ModelParams = ModelParams()
    calibration: CalibrationParams = CalibrationParams()
    policy: PolicyParams = PolicyParams()
    evaluation: EvaluationParams = EvaluationParams()
    gates: GatesParams = GatesParams()
    registry: RegistryParams = RegistryParams()

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read and check params.yaml.

        Raises:
            ContractError: naming the file, the place in it, the value and what was expected.
        """
        if not path.exists():
            raise ContractError(f"{path}: no such file; in its folder, git checkout {path.name} brings it back.")
        return super().from_yaml(path)
