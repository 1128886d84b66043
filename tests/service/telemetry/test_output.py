import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from service.running import ROOT, free_port

from creditrisk.errors import ServiceError
from creditrisk.service.records.forwarder import _said

MARK = "Quuxfeather"
SAYING = """
import asyncio, logging, sys, threading, warnings
from creditrisk.service.telemetry.output import take_over
take_over()

def fails(said="Quuxfeather"):
    raise ValueError(said)

async def main():
    asyncio.get_running_loop().call_soon(fails)
    asyncio.get_running_loop().create_task(forgotten())
    await asyncio.sleep(0.01)

async def forgotten():
    fails()

class Ending:
    def __del__(self):
        fails()

asyncio.run(main())
logging.getLogger("python_multipart.multipart").warning("Expected boundary character %r", "Quuxfeather")
warnings.warn("Quuxfeather", DeprecationWarning)
thread = threading.Thread(target=fails)
thread.start()
thread.join()
Ending()
logging.getLogger("creditrisk.service").warning("of our %s", "own")
fails()
"""


def lines(code: str) -> list[dict[str, Any]]:
    """What a process says that takes over its output."""
    command = [sys.executable, "-W", "default", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert MARK not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_all_that_a_process_says_is_lines_of_json_without_a_word_of_what_was_sent() -> None:
    found = lines(SAYING)
    assert all({"at", "level", "logger", "message"} <= set(line) for line in found)
    told = [(line["logger"], line.get("error", "").partition(":")[0]) for line in found]
    here = "ValueError at <string>"
    assert sorted(told) == sorted(
        [
            *[("asyncio", here)] * 2,
            ("python_multipart.multipart", ""),
            ("creditrisk.service", "DeprecationWarning at <string>"),
            *[("creditrisk.service", here)] * 3,
            ("creditrisk.service", ""),
        ]
    )
    assert found[-1]["message"] == "a process ended by a fault"
    assert "of our own" in [line["message"] for line in found]
    (parser,) = [line for line in found if line["logger"].startswith("python_multipart")]
    assert parser["place"].startswith("<string>:")


@pytest.mark.parametrize(
    ("module", "wrong", "said"),
    [
        (
            "records.forwarder",
            {"DATABASE_URL": "mysql://u@h/x"},
            "forwarder: records wait on this machine: DATABASE_URL names",
        ),
        ("records.forwarder", {"CREDITRISK_SERVICE_PROT": "1"}, "forwarder: CREDITRISK_SERVICE_PROT: unknown setting."),
        (
            "following.watch",
            {"CREDITRISK_SERVICE_PROT": "1"},
            "watch of the registry: CREDITRISK_SERVICE_PROT: unknown setting.",
        ),
        ("following.change", {"CREDITRISK_SERVICE_PROT": "1"}, "a process ended by a fault"),
    ],
)
def test_children_say_what_is_wrong_as_lines_of_json(
    tmp_path: Path, module: str, wrong: dict[str, str], said: str
) -> None:
    given = os.environ | {"CREDITRISK_SERVICE_STATE": str(tmp_path), "CREDITRISK_ROOT": str(ROOT)} | wrong
    command = [
        sys.executable,
        "-m",
        f"creditrisk.service.{module}",
        *(["promote", "1"] if module.endswith("change") else []),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=given, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        first = json.loads(child.stderr.readline())
        child.stdin.close()
        rest = [json.loads(line) for line in child.stderr]
    assert first["message"].startswith(said)
    assert rest == []


def test_what_a_database_says_of_a_value_is_not_repeated() -> None:
    url = f"postgresql://u:secret@127.0.0.1:{free_port()}/x"
    assert _said(ServiceError("DATABASE_URL is not set."), None) == "DATABASE_URL is not set"
    assert _said(psycopg.OperationalError("connection to secret refused"), url) == "connection to *** refused"
    for error in (
        psycopg.errors.NotNullViolation(MARK),
        psycopg.errors.InvalidTextRepresentation(MARK),
        KeyError(MARK),
    ):
        assert _said(error, url) == type(error).__name__
