import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditrisk.model.grid import Grid

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def beside(cuts: list[float]) -> list[float]:
    """The next number on either side of each."""
    given = np.array(cuts, dtype=np.float64)
    with np.errstate(over="ignore"):
        return [*np.nextafter(given, np.inf).tolist(), *np.nextafter(given, -np.inf).tolist()]


def searched(cuts: list[float], values: list[float]) -> list[int]:
    found: list[int] = np.searchsorted(np.append(cuts, np.inf), values, side="right").tolist()
    return found


@given(st.lists(NUMBERS, max_size=60, unique=True).map(sorted), st.lists(st.floats(), max_size=60))
def test_it_finds_what_a_binary_search_finds(cuts: list[float], values: list[float]) -> None:
    both = [*values, *cuts, *beside(cuts)]
    assert Grid(np.array(cuts)).find(np.array(both, dtype=np.float64)).tolist() == searched(cuts, both)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [3, 8, 31, 255, 2_000])
def test_quantiles_as_cuts_use_the_table(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(0, 10.0 ** random.integers(-6, 7), 5_000)
    cuts = np.unique(np.quantile(values, np.linspace(0.001, 0.999, count)))
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324]
    both = np.concatenate([values, cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf), odd])
    grid = Grid(cuts)
    assert grid.find(both).tolist() == searched(cuts.tolist(), both.tolist())
    assert count > 255 or (grid._cells is not None) == (count >= 8)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("side", [-1.0, 0.0, 1.0])
def test_long_tails_use_the_table_too(seed: int, side: float) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, 20_000) / random.normal(0, 10.0 ** random.integers(-6, 7), 20_000)
    values = values if not side else side * np.abs(values)
    cuts = np.unique(np.quantile(values, np.linspace(0.001, 0.999, 200)))
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324]
    both = np.concatenate([values, cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf), odd])
    grid = Grid(cuts)
    assert grid.find(both).tolist() == searched(cuts.tolist(), both.tolist())
    assert grid._cells is not None


def test_a_long_tail_is_searched_all_the_same() -> None:
    cuts = np.geomspace(1e-9, 1e9, 200)
    assert Grid(cuts).find(np.array([1.0, 0.0, 1e10])).tolist() == searched(cuts.tolist(), [1.0, 0.0, 1e10])
