"""The servers that are compared: how each is started, and what it is sent."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving_models import CACHE, ROOT, applications, booster, bundle, ready_features

PEERS = ROOT / "benchmarks" / "peers"
Command = Callable[[int, Path], list[str]]


@dataclass(frozen=True)
class Server:
    """One way to serve.

    Args:
        command: from a port and a folder of its own to a command line.
        ready: the path that answers 200 once a model is loaded; the scored path where absent.
        prepare: made once, before anything is measured; raises RuntimeError where it cannot be had.
    """

    name: str
    command: Command
    environment: dict[str, str] = field(default_factory=dict)
    path: str = "/v1/score"
    ready: str | None = None
    bodies: Callable[[], list[Any]] = lambda: [{"application": row} for row in applications()]
    prepare: Callable[[], None] = lambda: None
    ours: bool = False

    def requests(self) -> list[bytes]:
        """Bodies, all different."""
        return [json.dumps(body, separators=(",", ":")).encode() for body in self.bodies()]


def ours(family: str, *options: str, asgi: bool = False, name: str | None = None) -> Server:
    """The project's service: exact reasons, and a durable record unless ``options`` turn it off."""

    def command(port: int, _: Path) -> list[str]:
        if asgi:
            app = ["--app-dir", str(ROOT / "6.production"), "app:app", "--log-level", "warning", "--no-access-log"]
            return [sys.executable, "-m", "uvicorn", *app, "--port", str(port)]
        return [sys.executable, str(ROOT / "main.py"), "serve", "--port", str(port), *options]

    def prepare() -> None:
        bundle(family)
        compileall.compile_dir(str(ROOT / "src"), quiet=1)

    return Server(name or family, command, ready="/health/ready", prepare=prepare, ours=True)


def environment_of(server: Server, state: Path) -> dict[str, str]:
    """What a server's process is given."""
    given = dict(os.environ) | {"BOOSTER": str(booster(30)), "OMP_NUM_THREADS": "1"} | server.environment
    if server.ours:
        family = server.name.split(",")[0]
        given |= {"CREDITRISK_SERVICE_STATE": str(state), "CREDITRISK_SERVICE_BUNDLE": str(bundle(family))}
    return given


def python_of(name: str, *packages: str) -> Path:
    """Python of a throw-away environment with these packages, made on the first call and of the build that we run on.

    Raises:
        RuntimeError: they cannot be installed.
    """
    folder = CACHE / f"env-{name}"
    python = folder / "bin" / "python"
    own = Path(sys.executable).resolve()  # another build of the same version may be a fifth faster
    if not (folder / "complete").exists() or python.resolve() != own:
        shutil.rmtree(folder, ignore_errors=True)
        for command in (
            ["uv", "venv", "--quiet", "--python", str(own), str(folder)],
            ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *packages],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(packages)} cannot be installed: {done.stderr.strip()[-400:]}")
        (folder / "complete").touch()
    return python


def _script(name: str, script: str) -> str:
    return str(CACHE / f"env-{name}" / "bin" / script)


def _mlflow_model() -> Path:
    return CACHE / "mlflow-model"


def _prepare_mlflow() -> None:
    python = python_of("mlflow", "mlflow", "lightgbm", "pandas", "uvicorn")
    if not _mlflow_model().exists():
        environment = os.environ | {"BOOSTER": str(booster(30))}
        command = [str(python), str(PEERS / "mlflow_model.py"), str(_mlflow_model())]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the MLflow model cannot be saved: {done.stderr.strip()[-400:]}")


def _mlflow(port: int, _: Path) -> list[str]:
    options = ["-m", str(_mlflow_model()), "-p", str(port), "--env-manager", "local", "-w", "1"]
    return [_script("mlflow", "mlflow"), "models", "serve", *options]


def _mlserver(port: int, folder: Path) -> list[str]:
    settings = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "parallel_workers": 0}
    model = {
        "name": "score",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": str(booster(55))},
    }
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "debug": False} | settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [_script("mlserver", "mlserver"), "start", str(folder)]


def _tensors() -> list[Any]:
    return [
        {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row}]} for row in ready_features()
    ]


def _validate_only(*options: str) -> Command:
    def command(port: int, _: Path) -> list[str]:
        app = ["--app-dir", str(PEERS), "validate_only:app", "--log-level", "warning", "--no-access-log"]
        return [_script("fastapi", "python"), "-m", "uvicorn", *app, "--port", str(port), *options]

    return command


def _prepare_fastapi() -> None:
    python_of("fastapi", "fastapi", "uvicorn", "uvloop", "httptools")


def _peer(name: str, *packages: str) -> Callable[[], None]:
    def prepare() -> None:
        python_of(name, *packages)

    return prepare


VALIDATE_ONLY = "FastAPI that only validates"
SERVERS: tuple[Server, ...] = (
    Server(VALIDATE_ONLY, _validate_only(), ready="/ready", prepare=_prepare_fastapi),
    ours("catboost"),
    ours("ebm"),
    ours("scorecard"),
    ours("catboost", "--audit", "off", name="catboost, no record"),
    ours("ebm", "--audit", "off", name="ebm, no record"),
    ours("catboost", asgi=True, name="catboost, plain uvicorn"),
    ours("catboost", "--workers", "2", name="catboost, 2 workers"),
    Server(f"{VALIDATE_ONLY}, 2 workers", _validate_only("--workers", "2"), ready="/ready", prepare=_prepare_fastapi),
    Server(
        "MLServer, LightGBM runtime",
        _mlserver,
        path="/v2/models/score/infer",
        bodies=_tensors,
        prepare=_peer("mlserver", "mlserver", "mlserver-lightgbm"),
    ),
    Server(
        "BentoML",
        lambda port, _: [_script("bentoml", "bentoml"), "serve", "bento_service:Score", "--port", str(port), "-q"],
        prepare=_peer("bentoml", "bentoml", "lightgbm"),
    ),
    Server(
        "LitServe",
        lambda port, _: [_script("litserve", "python"), str(PEERS / "lit_server.py"), str(port)],
        prepare=_peer("litserve", "litserve", "lightgbm"),
    ),
    Server(
        "mlflow models serve",
        _mlflow,
        {"PATH": f"{CACHE / 'env-mlflow' / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        path="/invocations",
        bodies=lambda: [{"dataframe_records": [row]} for row in applications()],
        prepare=_prepare_mlflow,
    ),
)
