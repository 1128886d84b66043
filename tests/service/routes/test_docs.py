import re

import httpx


def test_the_page_and_all_it_loads_come_from_here(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "http" not in policy
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(loaded) == 4
    for address in loaded:
        found = client.get(f"/{address}")
        assert found.status_code == 200
        assert len(found.content) > 100
    assert "<script>" not in page.text


def test_swagger_ui_knows_openapi_3_1(client: httpx.Client) -> None:
    version = re.search(r'PACKAGE_VERSION:"(\d+)\.', client.get("/docs/swagger-ui-bundle.js").text)
    assert version is not None
    assert int(version[1]) >= 5
