"""A real PostgreSQL of the tests' own, on a socket in a folder of theirs, to be stopped and started at will."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest


class Postgres:
    """A server in a folder of its own; skipped where PostgreSQL is not installed."""

    def __init__(self) -> None:
        pytest.importorskip("psycopg")
        found = shutil.which("pg_ctl") or next((str(p) for p in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), None)
        if found is None:
            pytest.skip("PostgreSQL is not installed here")
        # Not in pytest's own folder, which each session closes to other accounts.
        self._programs, self._folder = Path(found).resolve().parent, Path(tempfile.mkdtemp(prefix="creditrisk-pg-"))
        folder = self._folder
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, so another account must get in
            for each in (folder, *folder.parents):
                if each.owner() == "root" and each != Path("/"):
                    each.chmod(each.stat().st_mode | 0o011)
            self._account = {"user": "postgres", "cwd": "/"}
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "lender", "-A", "trust")
        self.start()

    @property
    def url(self) -> str:
        """The server's own database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """A database on it."""
        return f"postgresql://lender@/{database}?host={self._folder}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-c listen_addresses='' -k {self._folder} -c fsync=off"
        self._control("-o", options, "-l", str(self._folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; ``immediate`` breaks every connection off, as a crash would."""
        self._control("-m", mode, "stop")

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder)

    def fresh(self) -> str:
        """An empty database's address."""
        import psycopg

        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url_of(name)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._account)
