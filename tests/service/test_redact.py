from pathlib import Path

import pytest

from creditrisk.service.redact import without_places


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "/srv/a b/3.experiments/mlflow.db: the tracking store is read-only.",
            "mlflow.db: the tracking store is read-only.",
        ),
        (
            "tracking store postgresql://me:secret@db/mlflow: no answer.",
            "tracking store (address left out): no answer.",
        ),
        (
            "tracking store sqlite:////srv/a b/mlflow.db: locked",
            "tracking store (address left out): locked",
        ),
        ("/var/lib/x/policy.json: its SHA-256 is 12, expected 34.", "policy.json: its SHA-256 is 12, expected 34."),
        ("/a/b c: no manifest.json; 1/2 of it", "b c: no manifest.json; 1/2 of it"),
        ("version 2 waits for main.py promote; 3/4 passed", "version 2 waits for main.py promote; 3/4 passed"),
    ],
)
def test_files_keep_their_last_part_and_servers_nothing(text: str, expected: str) -> None:
    assert without_places(text, Path("/srv/a b")) == expected
