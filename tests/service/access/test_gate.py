import hmac
from pathlib import Path

import pytest

from creditrisk.service.access.gate import Gate
from creditrisk.service.access.keys import KeyStore, Scope
from creditrisk.service.access.rates import Rates
from creditrisk.service.problem import Problem


class Clock:
    """A time that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def status(gate: Gate, key: str | None, scope: Scope = "score") -> int:
    """200, or the problem's status."""
    try:
        gate.admit(None, None if key is None else key.encode(), scope)
    except Problem as problem:
        return problem.status
    return 200


def test_no_key_is_asked_for_while_none_was_made_unless_it_must(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    assert status(Gate(store, False), None) == 200
    assert status(Gate(store, True), None) == 401
    gate = Gate(store, False)
    gate.demand()
    assert status(gate, None) == 401


def test_a_new_key_and_a_revocation_count_without_a_restart(tmp_path: Path) -> None:
    clock, store = Clock(), KeyStore(tmp_path / "keys.json")
    gate = Gate(store, False, clock)
    caller, text = store.create("shop", ("score",))
    clock.now += 2
    assert (status(gate, None), status(gate, text)) == (401, 200)
    store.revoke(caller.id)
    clock.now += 2
    assert status(gate, text) == 401
    assert gate.closed
    assert not gate.has_keys


@pytest.mark.parametrize("content", [None, "[", "{}", '[{"id": "0"}]'])
def test_a_file_that_is_gone_or_damaged_neither_opens_nor_closes_the_gate(tmp_path: Path, content: str | None) -> None:
    clock, store = Clock(), KeyStore(tmp_path / "keys.json")
    gate = Gate(store, False, clock)
    _, text = store.create("shop", ("score",))
    clock.now += 2
    assert (status(gate, None), status(gate, text), gate.trouble) == (401, 200, None)
    whole = store.path.rename(tmp_path / "away")
    if content is not None:
        store.path.write_text(content)
    clock.now += 2
    assert (status(gate, None), status(gate, text)) == (401, 200)
    assert "keys.json" in str(gate.trouble)
    assert "known last are valid" in str(gate.trouble)
    whole.replace(store.path)
    clock.now += 2
    assert (status(gate, None), status(gate, text), gate.trouble) == (401, 200, None)


@pytest.mark.parametrize("content", ["[]", "["])
def test_a_file_that_appears_closes_the_gate_whatever_is_in_it(tmp_path: Path, content: str) -> None:
    clock, store = Clock(), KeyStore(tmp_path / "keys.json")
    gate = Gate(store, False, clock)
    assert status(gate, None) == 200
    store.path.write_text(content)
    clock.now += 2
    assert status(gate, None) == 401
    assert gate.closed


def test_a_file_without_keys_opens_no_gate(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    store.path.write_text("[]")
    assert status(Gate(store, False), None) == 401


def test_that_nobody_can_come_in_is_said(tmp_path: Path) -> None:
    gate = Gate(KeyStore(tmp_path / "keys.json"), False)
    gate.look()
    assert gate.trouble is None
    gate.demand()
    gate.look()
    assert "nobody is let in" in str(gate.trouble)


def test_scopes(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    _, score = store.create("shop", ("score",))
    _, admin = store.create("boss", ("admin",))
    gate = Gate(store, False)
    assert (status(gate, score), status(gate, score, "read"), status(gate, admin, "read")) == (200, 403, 200)


def test_hashes_are_compared_in_constant_time_also_for_an_unknown_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    original = hmac.compare_digest

    def compare(left: bytes, other: bytes) -> bool:
        seen.append((len(left), len(other)))
        return original(left, other)

    _, text = (store := KeyStore(tmp_path / "keys.json")).create("shop", ("score",))
    gate = Gate(store, False)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    unknown = "cr_" + "0" * 12 + text[15:]
    for key in (text, unknown, "nonsense", None):
        status(gate, key)
    assert seen == [(32, 32)] * 4


def test_a_key_has_its_own_rate_or_everybodys(tmp_path: Path) -> None:
    clock, store = Clock(), KeyStore(tmp_path / "keys.json")
    _, own = store.create("own", ("score",), 2)
    _, other = store.create("other", ("score",))
    gate = Gate(store, False, clock, per_minute=3)
    gate.rates = Rates(tmp_path / "rates", 0, clock)
    assert [status(gate, own) for _ in range(4)] == [200, 200, 429, 429]
    assert [status(gate, other) for _ in range(4)] == [200, 200, 200, 429]
    with pytest.raises(Problem) as refused:
        gate.admit(None, own.encode(), "score")
    assert refused.value.headers == {"Retry-After": "20"}
    clock.now += 20
    assert status(gate, own) == 200
