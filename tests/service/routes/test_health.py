import shutil
from pathlib import Path

import httpx
from service.running import APPLICATION, serving


def test_ready_names_the_model(client: httpx.Client) -> None:
    found = client.get("/health/ready").json()
    assert found["status"] == "ready"
    assert found["alerts"] == {}
    assert set(found["model"]) == {"name", "version", "digest"}
    assert client.get("/health/live").json() == {"status": "live"}


def test_a_changed_bundle_is_never_served_and_the_reason_names_no_folder(tmp_path: Path, small_bundle: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(small_bundle, bundle)
    (bundle / "policy.json").write_text("{}")
    with (
        serving(tmp_path / "state", ready=False, asgi=True, CREDITRISK_SERVICE_BUNDLE=str(bundle)) as running,
        running.client() as client,
    ):
        found = client.get("/health/ready")
        assert (found.status_code, found.headers["content-type"]) == (503, "application/problem+json")
        assert found.headers["retry-after"] == "5"
        assert "policy.json: its SHA-256 is" in found.json()["detail"]
        assert str(tmp_path) not in found.text
        assert client.post("/v1/score", json={"application": APPLICATION}).status_code == 503
        assert client.get("/v1/contract").status_code == 503
        assert client.get("/openapi.json").status_code == 200
        assert "creditrisk_workers" in client.get("/metrics").text
        assert '"no model: ' in running.said()
