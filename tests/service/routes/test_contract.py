import httpx
import jsonschema_rs
from service.running import Running


def test_the_example_is_complete_valid_and_gets_an_answer(client: httpx.Client, running: Running) -> None:
    found = client.get("/v1/contract").json()
    jsonschema_rs.meta.validate(found)
    (example,) = found["examples"]
    jsonschema_rs.validator_for(found).validate(example)
    assert set(example) == {"income", "amount", "months", "purpose"}, "protected and ignored columns are left out"
    answer = client.post("/v1/score", json={"application": example})
    assert answer.status_code == 200
    assert answer.json()["warnings"] == []
    assert found["x-portfolio"] == "small"
    assert found["x-model"] == answer.json()["model"]
