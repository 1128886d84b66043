"""What an answer brings into the process: no training library, no MLflow, no database client."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from service.running import APPLICATION, ROOT

SCRIPT = """
import asyncio, json, sys
import uvicorn

async def main():
    sys.path.insert(0, sys.argv[1])
    protocol = "creditrisk.service.http.protocol:HotProtocol"
    config = uvicorn.Config("app:app", http=protocol, ws="none", log_level="warning", port=0)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = sys.argv[2].encode()
    head = ["POST /v1/score HTTP/1.1", "connection: close", "content-type: application/json"]
    writer.write("\\r\\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body)
    answer = await reader.read()
    writer.close()
    print(json.dumps([answer.decode(), sorted({name.partition(".")[0] for name in sys.modules})]))
    server.should_exit = True
    await task

asyncio.run(main())
"""
HEAVY = {
    "mlflow",
    "polars",
    "pandas",
    "sklearn",
    "scipy",
    "catboost",
    "lightgbm",
    "xgboost",
    "interpret",
    "optbinning",
    "matplotlib",
    "pyarrow",
    "dvc",
    "sqlalchemy",
    "alembic",
    "psycopg",
}


@pytest.mark.parametrize("family", ["scorecard", "blend"])
def test_an_answer_needs_no_heavy_library(tmp_path: Path, small_bundle_of: Callable[[str], Path], family: str) -> None:
    bundle = small_bundle_of(family)
    environment = {"CREDITRISK_SERVICE_STATE": str(tmp_path), "CREDITRISK_SERVICE_BUNDLE": str(bundle)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT / "6.production"), json.dumps({"application": APPLICATION})],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer, modules = json.loads(done.stdout)
    assert answer.startswith("HTTP/1.1 200 OK")
    assert HEAVY & set(modules) == set()
