import os
import subprocess
import sys
from pathlib import Path

import pytest
from service.running import ROOT, free_port

from creditrisk.errors import ServiceError
from creditrisk.service.access.exposure import check_keys, uvicorn_host
from creditrisk.service.settings import ServiceSettings


@pytest.mark.parametrize(
    ("host", "has_keys", "fine"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("localhost", False, True),
        ("0.0.0.0", False, False),
        ("192.0.2.1", True, True),
        ("scoring.example", False, False),
    ],
)
def test_others_need_a_key(tmp_path: Path, host: str, has_keys: bool, fine: bool) -> None:
    settings = ServiceSettings(state=tmp_path, host=host)
    if fine:
        check_keys(settings, has_keys)
    else:
        with pytest.raises(ServiceError, match="there is no API key"):
            check_keys(settings, has_keys)


def test_the_address_given_to_uvicorn_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UVICORN_HOST", raising=False)
    assert uvicorn_host(["/usr/bin/uvicorn", "app:app", "--host", "0.0.0.0"]) == "0.0.0.0"
    assert uvicorn_host(["/x/uvicorn/__main__.py", "--host=::", "app:app"]) == "::"
    assert uvicorn_host(["/usr/bin/uvicorn", "app:app"]) is None
    assert uvicorn_host(["main.py", "serve", "--host", "0.0.0.0"]) is None
    monkeypatch.setenv("UVICORN_HOST", "0.0.0.0")
    assert uvicorn_host(["/usr/bin/uvicorn", "app:app"]) == "0.0.0.0"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--host", "0.0.0.0"], {}, "there is no API key"),
        ([], {"CREDITRISK_SERVICE_MAX_LIST": "many"}, "CREDITRISK_SERVICE_MAX_LIST"),
        ([], {"CREDITRISK_SERVICE_MAXLIST": "1"}, "Did you mean 'max_list'"),
    ],
)
def test_plain_uvicorn_is_refused_with_a_sentence(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    command = [sys.executable, "-m", "uvicorn", "--app-dir", "6.production", "app:app", "--port", str(free_port())]
    given = os.environ | {"CREDITRISK_SERVICE_STATE": str(tmp_path)} | environment
    done = subprocess.run([*command, *arguments], cwd=ROOT, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
