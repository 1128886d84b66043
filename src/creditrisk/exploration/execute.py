"""Run a notebook from a clean state: ``python -m creditrisk.exploration.execute`` does it to the committed ones.

What is committed is always the simulated portfolio's, since nothing of a real table may be. Needs the dependency group
``notebooks``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from creditrisk.exploration.workspace import SIMULATED
from creditrisk.paths import Project, whole

MARK = "creditrisk"
"""Key of a notebook's metadata: of which portfolio and of which code its outputs are."""


def execute(path: Path, portfolio: str) -> Any:
    """Run all cells in a kernel of their own, in the notebook's folder, and return the notebook with its outputs.

    Args:
        path: a notebook; the file stays as it is.
        portfolio: a contract's name.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # a kernel may hand over what one cell prints in pieces, now in more, now in fewer
        resources={"metadata": {"path": path.parent}},
    )
    client.execute(env=os.environ | {"CREDITRISK_PORTFOLIO": portfolio})
    notebook.metadata[MARK] = {"portfolio": portfolio, "code": code_digest(notebook)}
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if "text/plain" in output.get("data", {}):  # an address in memory is another one each time
            output["data"]["text/plain"] = re.sub(r" at 0x[0-9a-f]+", "", output["data"]["text/plain"])
    # The kernel's own version would change the file with each machine.
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def code_digest(notebook: Any) -> str:
    """SHA-256 of the code cells, so that outputs of other code are noticed."""
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def main() -> None:
    """Run the notebooks named, or all, for the simulated portfolio, and write their outputs into them."""
    import nbformat

    folder = Project.find().root / "2.notebooks"
    for path in [Path(name) for name in sys.argv[1:]] or sorted(folder.glob("*.ipynb")):
        notebook = execute(path, SIMULATED)
        with whole(path) as draft:
            nbformat.write(notebook, draft)
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
