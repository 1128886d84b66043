"""Where the project keeps its files. Nothing is made here; the numbered folders belong to the lifecycle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place to write to, which becomes ``path`` when all went well: the file is there whole, or as it was before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class Project:
    """A checkout: its root and the places below it."""

    root: Path

    @classmethod
    def find(cls) -> Project:
        """The checkout named by CREDITRISK_ROOT, else the one around the working folder, else the package's own."""
        if named := os.environ.get("CREDITRISK_ROOT"):
            return cls(Path(named).resolve())
        here = Path.cwd().resolve()
        for folder in (here, *here.parents):
            if (folder / "4.dvc_pipeline" / "dvc.yaml").is_file():
                return cls(folder)
        return cls(Path(__file__).resolve().parents[2])

    @property
    def portfolios(self) -> Path:
        return self.root / "1.data" / "portfolios"

    @property
    def pipeline(self) -> Path:
        return self.root / "4.dvc_pipeline"

    @property
    def params(self) -> Path:
        return self.pipeline / "params.yaml"

    @property
    def experiments(self) -> Path:
        return self.root / "3.experiments"

    def contract(self, portfolio: str) -> Path:
        """The contract of a portfolio."""
        return self.portfolios / f"{portfolio}.yaml"

    def tables(self, portfolio: str) -> Path:
        """The folder of the tables that the pipeline makes for a portfolio."""
        return self.root / "1.data" / "tables" / portfolio

    def artifacts(self, portfolio: str) -> Path:
        """The folder of bundle, metrics, plots and report of a portfolio."""
        return self.pipeline / "artifacts" / portfolio
