from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from service.running import APPLICATION, serving

from creditrisk.errors import ServiceError
from creditrisk.paths import Project
from creditrisk.service.settings import ServiceSettings


def read(root: Path, **environment: str) -> ServiceSettings:
    return ServiceSettings.from_environment(Project(root), environment)


def test_an_empty_variable_is_as_good_as_none(tmp_path: Path) -> None:
    """As container tools pass on what is not set; an empty folder would be the one where the service was started."""
    empty = {f"CREDITRISK_SERVICE_{name.upper()}": "" for name in ServiceSettings.model_fields}
    assert read(tmp_path, AUDIT="", DATABASE_URL="", **empty) == read(tmp_path)


def test_two_names_of_one_setting_must_say_the_same(tmp_path: Path) -> None:
    both = {"AUDIT": "off", "CREDITRISK_SERVICE_AUDIT": "off"}
    assert read(tmp_path, **both).audit == "off"
    with pytest.raises(ServiceError, match="AUDIT and CREDITRISK_SERVICE_AUDIT say different things"):
        read(tmp_path, **both | {"AUDIT": "sqlite"})


def test_what_the_command_line_says_goes_before_every_variable(tmp_path: Path, small_bundle: Path) -> None:
    """The other way round, the command line asked for records and there were none."""
    environment: Any = {"AUDIT": "off", "CREDITRISK_SERVICE_AUDIT": "off"}
    arguments = ("--bundle", str(small_bundle), "--audit", "sqlite")
    with serving(tmp_path, *arguments, **environment) as running, running.client() as client:
        name = client.post("/v1/score", json={"application": APPLICATION}).json()["decision_id"]
        assert client.get(f"/v1/decisions/{name}").status_code == 200


def test_workers_and_children_read_the_same_from_the_variables_that_are_set_for_them(tmp_path: Path) -> None:
    given = {"CREDITRISK_SERVICE_AUDIT": "postgres", "DATABASE_URL": "postgresql://u@h/d"}
    settings = read(tmp_path, **given).model_copy(update={"audit": "sqlite", "workers": 3})
    assert read(tmp_path, **os.environ | given | settings.to_environment()) == settings
