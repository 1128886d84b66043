"""The simulated portfolio: deterministic, bounded by nothing but rows, and true to what it says of itself."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from creditrisk.contract import Contract, Simulation
from creditrisk.data.simulation.export import RAW
from creditrisk.data.simulation.population import LATENTS, SAVINGS, SELF_EMPLOYED, Applicants, correlation, draw
from creditrisk.data.simulation.risk import macro, true_pd
from creditrisk.data.simulation.simulate import CHUNK, oracle_auc, simulate, true_pd_of
from creditrisk.errors import SourceError

ROOT = Path(__file__).resolve().parents[3]
ROWS = 30_000


def make(folder: Path, **settings: object) -> dict[str, pl.DataFrame]:
    simulate(Simulation.model_validate(settings), folder, progress=False)
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in ("raw", "truth", "rejected")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulated")


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pl.DataFrame]:
    return make(folder, rows=ROWS)


def candidates(**settings: object) -> tuple[Applicants, Simulation]:
    simulation = Simulation.model_validate(settings)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(simulation.seed, spawn_key=(0,))))
    return draw(random, 0, CHUNK, simulation), simulation


def final(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.unique("application_id", keep="first", maintain_order=True).filter(pl.col("outcome") != "cancelled")


def oracle(folder: Path, raw: pl.DataFrame) -> float:
    rows = final(raw)
    return oracle_auc(
        folder / "truth.parquet", rows["application_id"], (rows["outcome"] == "defaulted").to_numpy() * 1.0
    )


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name, rows=2_000)
    for file in ("raw.parquet", "truth.parquet", "rejected.parquet"):
        assert pl.read_parquet(tmp_path / "one" / file).equals(pl.read_parquet(tmp_path / "two" / file))


def test_another_seed_gives_another_table(tmp_path: Path, tables: dict[str, pl.DataFrame]) -> None:
    other = make(tmp_path, rows=500, seed=8)["raw"]
    assert not other.drop("application_id").equals(tables["raw"].head(500).drop("application_id"))


@pytest.mark.parametrize("rows", [1, 777, 29_999])
def test_the_first_rows_do_not_depend_on_how_many_are_asked_for(
    rows: int, tmp_path: Path, tables: dict[str, pl.DataFrame]
) -> None:
    few = make(tmp_path, rows=rows)
    assert few["raw"].height == rows
    for name, table in few.items():
        assert table.equals(tables[name].head(table.height)), name


def test_chunks_join_without_a_seam(tmp_path: Path) -> None:
    raw = make(tmp_path, rows=60_000)["raw"]
    number = raw["application_id"].cast(pl.Int64)
    assert (number.diff().drop_nulls() >= 0).all()
    assert number.max() > CHUNK  # type: ignore[operator]


def test_the_raw_table_has_no_truth_in_it(tables: dict[str, pl.DataFrame]) -> None:
    assert dict(tables["raw"].schema) == RAW
    assert tables["raw"].height == ROWS
    assert set(tables["truth"]["application_id"]) == set(tables["raw"]["application_id"])
    assert tables["truth"]["application_id"].n_unique() == tables["truth"].height


def test_a_few_rows_are_wrong_and_a_few_come_twice(tables: dict[str, pl.DataFrame]) -> None:
    raw = tables["raw"]
    wrong = raw.filter(
        (pl.col("monthly_income") < 0)
        | (pl.col("housing") == "tennant")
        | pl.col("application_date").str.ends_with("-02-31")
        | (pl.col("age") == 999)
        | (pl.col("term") == "n/k months")
    )
    assert 0.002 < wrong.height / ROWS < 0.004
    assert 0 < raw.is_duplicated().sum() / 2 < 0.001 * ROWS
    assert raw.unique().height == raw["application_id"].n_unique()


def test_margins_are_those_of_a_consumer_portfolio(tables: dict[str, pl.DataFrame]) -> None:
    raw = tables["raw"]
    months = raw["application_date"].str.to_date(strict=False).drop_nulls().dt.truncate("1mo")
    assert (months.min(), months.max(), months.n_unique()) == (dt.date(2020, 1, 1), dt.date(2023, 12, 1), 48)
    assert months.value_counts()["count"].min() > 0.8 * ROWS / 48  # type: ignore[operator]
    assert 33 < raw["age"].median() < 45  # type: ignore[operator]
    assert 1_800 < raw["monthly_income"].median() < 2_800  # type: ignore[operator]
    assert 0.42 < (raw["sex"] == "female").mean() < 0.54  # type: ignore[operator]
    assert raw["bureau_score"].is_between(300, 850).drop_nulls().all()
    assert raw["occupation"].n_unique() > 100
    assert raw["purpose"].str.contains("urgent").mean() == pytest.approx(0.08, abs=0.01)
    bad = (final(raw)["outcome"] == "defaulted").mean()
    assert 0.08 < bad < 0.12  # type: ignore[operator]


def test_latents_are_correlated_as_the_copula_says() -> None:
    applicants, _ = candidates(rows=1)
    names = list(LATENTS)
    wanted = correlation()
    assert np.linalg.eigvalsh(wanted).min() > 0
    for one, other in (("income", "savings"), ("score", "delinquencies"), ("utilisation", "score"), ("age", "history")):
        ranks = [pl.Series(getattr(applicants, name)).rank().to_numpy() for name in (one, other)]
        found, target = np.corrcoef(ranks)[0, 1], wanted[names.index(one), names.index(other)]
        assert np.sign(found) == np.sign(target)
        assert 0.4 * abs(target) < abs(found) < 1.1 * abs(target), (one, other)
    amounts = np.corrcoef(pl.Series(applicants.amount).rank(), pl.Series(applicants.score).rank())[0, 1]
    rho = wanted[names.index("amount"), names.index("score")]
    assert amounts == pytest.approx(6 / np.pi * np.arcsin(rho / 2), abs=0.02)  # Spearman's of a Gaussian copula


def test_values_are_missing_not_at_random(tables: dict[str, pl.DataFrame]) -> None:
    raw = tables["raw"].filter(pl.col("monthly_income").is_null() | (pl.col("monthly_income") >= 0))
    hidden = raw["monthly_income"].is_null()
    of_self_employed = hidden.filter(raw["employment_status"] == "self-employed").mean()
    assert of_self_employed > 1.8 * hidden.filter(raw["employment_status"] == "employed").mean()  # type: ignore[operator]
    pd = pl.Series(true_pd_by_id(tables, raw))
    assert pd.filter(hidden).mean() > 1.2 * pd.filter(~hidden).mean()  # type: ignore[operator]
    silent = raw["savings"] == "no answer"
    assert pd.filter(silent).mean() > 1.1 * pd.filter(~silent).mean()  # type: ignore[operator]
    assert raw["months_since_delinquency"].is_null().equals(raw["delinquencies_24m"] == 0, null_equal=True)


def true_pd_by_id(tables: dict[str, pl.DataFrame], raw: pl.DataFrame) -> pl.Series:
    return raw.join(tables["truth"], on="application_id", how="left", maintain_order="left")["true_pd"]


def test_the_true_pd_is_true(tables: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    clear = make(tmp_path, rows=ROWS, label_noise=0.0)
    rows = final(clear["raw"])
    pd = true_pd_by_id(clear, rows).to_numpy()
    bad = (rows["outcome"] == "defaulted").to_numpy()
    for low, high in ((0, 0.03), (0.03, 0.1), (0.1, 0.3), (0.3, 1)):
        inside = (pd >= low) & (pd < high)
        error = np.sqrt((pd[inside] * (1 - pd[inside])).mean() / inside.sum())
        assert abs(bad[inside].mean() - pd[inside].mean()) < 4 * error
    noisy = final(tables["raw"])
    flipped = (noisy["outcome"] != rows["outcome"]).mean()
    assert flipped == pytest.approx(0.01, abs=0.003)


def test_the_oracle_leaves_room_for_a_model(folder: Path, tables: dict[str, pl.DataFrame]) -> None:
    assert 0.80 < oracle(folder, tables["raw"]) < 0.84
    report = simulate(Simulation(rows=3_000), folder / "again", progress=False)
    assert report.oracle_auc == pytest.approx(
        oracle(folder / "again", pl.read_parquet(folder / "again" / "raw.parquet")), abs=0.005
    )


def test_oracle_auc_refuses_rows_it_does_not_know(folder: Path, tables: dict[str, pl.DataFrame]) -> None:
    truth = folder / "truth.parquet"
    with pytest.raises(SourceError, match="no true PD of 1 of the rows, such as 'x'"):
        oracle_auc(truth, pl.Series(["x"]), np.array([1.0]))
    known = tables["truth"]["application_id"].head(2)
    with pytest.raises(SourceError, match="all of one class"):
        oracle_auc(truth, known, np.array([1.0, 1.0]))
    assert true_pd_of(truth, known.reverse()).tolist() == tables["truth"]["true_pd"].head(2).reverse().to_list()


def test_the_rejected_are_kept_aside_and_riskier(tables: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    rejected = tables["rejected"]
    assert not set(rejected["application_id"]) & set(tables["raw"]["application_id"])
    assert 0.25 < rejected.height / (rejected.height + ROWS) < 0.45
    assert rejected["true_pd"].mean() > 1.8 * tables["truth"]["true_pd"].mean()  # type: ignore[operator]
    assert rejected["true_pd"].min() < tables["truth"]["true_pd"].quantile(0.3)  # type: ignore[operator]
    everyone = make(tmp_path, rows=2_000, approved_only=False)
    assert everyone["rejected"].is_empty()
    assert everyone["truth"]["application_id"].cast(pl.Int64).to_list() == list(range(1, everyone["truth"].height + 1))


@pytest.mark.parametrize("shock", ["recession", "income_inflation", "new_channel", "fraud_ring"])
def test_a_shock_acts_from_its_month_on_alone(shock: str, tmp_path: Path) -> None:
    usual, shocked = (
        make(tmp_path / str(on), rows=6_000, approved_only=False, shocks=[shock] if on else []) for on in (0, 1)
    )
    tables = [each["raw"].join(each["truth"], on="application_id", how="left") for each in (usual, shocked)]
    early, late = (
        [table.filter((pl.col("application_date") < "2023-01-01") == before) for table in tables]
        for before in (True, False)
    )
    assert early[0].equals(early[1])
    columns = {"recession": "true_pd", "income_inflation": "monthly_income", "fraud_ring": "true_pd"}
    if shock == "new_channel":
        assert 0.2 < (late[1]["channel"] == "partner").mean() < 0.4  # type: ignore[operator]
    else:
        means = [float(table[columns[shock]].mean()) for table in late]  # type: ignore[arg-type]
        assert means[1] > 1.05 * means[0]
    if shock == "income_inflation":
        assert late[0]["true_pd"].equals(late[1]["true_pd"])
    if shock == "fraud_ring":
        assert late[1].filter(pl.col("purpose") == "invoice bridging loan")["region"].unique().to_list() == ["Harbour"]


def test_the_economy_has_a_cycle_and_effects_interact() -> None:
    months = macro(np.arange(48))
    assert months.max() - months.min() > 0.4
    applicants, simulation = candidates(rows=1)

    def margin(**changes: float) -> float:
        some = applicants.take(np.arange(2_000))
        for name, value in changes.items():
            getattr(some, name)[:] = value
        pd = true_pd(some, simulation)
        return float(np.log(pd / (1 - pd)).mean())

    quiet = {"accounts": 5.0, "inquiries": 0.0, "utilisation": 0.2}
    used, asked = quiet | {"utilisation": 0.9}, quiet | {"inquiries": 4.0}
    both = quiet | {"utilisation": 0.9, "inquiries": 4.0}
    assert (
        margin(**both) - margin(**quiet)
        > (margin(**used) - margin(**quiet)) + (margin(**asked) - margin(**quiet)) + 0.5
    )
    new, old = {"status": SELF_EMPLOYED, "tenure": 1.0}, {"status": SELF_EMPLOYED, "tenure": 4.0}
    assert margin(**new) > margin(**old) + 0.5


def test_the_contracts_directions_are_true() -> None:
    contract = Contract.load(ROOT / "1.data" / "portfolios" / "simulated.yaml")
    directions = {item.name: item.monotone for item in contract.inputs if item.monotone}
    sign = {"increasing": 1, "decreasing": -1}
    held = {
        "bureau_score": "score",
        "delinquencies_24m": "delinquencies",
        "employment_years": "tenure",
        "urgent": "urgent",
    }
    applicants, simulation = candidates(rows=1)
    grids: dict[str, list[float]] = {
        "score": [400, 600, 660, 679, 681, 720, 800],
        "delinquencies": [1, 2, 3, 5],
        "tenure": [0.5, 1, 2, 3, 5, 9, 20],
        "urgent": [0, 1],
        "debts": [0, 100, 300, 600, 2_000],
        "delinquent_ago": [20, 10, 3, 1, 0],
    }
    held |= {"burden": "debts", "delinquency_recency": "delinquent_ago"}
    assert set(directions) == set(held)
    for name, direction in directions.items():
        some = applicants.take(np.arange(5_000))
        before = None
        for value in grids[held[name]]:
            getattr(some, held[name])[:] = value
            pd = true_pd(some, simulation)
            assert before is None or (sign[str(direction)] * (pd - before) >= -1e-12).all(), (name, value)
            before = pd


def test_the_contract_names_every_column() -> None:
    contract = Contract.load(ROOT / "1.data" / "portfolios" / "simulated.yaml")
    assert list(contract.columns) == list(RAW)
    assert len(contract.characteristics) >= 12
    assert set(SAVINGS) == set(contract.columns["savings"].values)
    assert contract.source.simulated == Simulation()
