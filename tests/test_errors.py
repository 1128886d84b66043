"""Errors of the operating system as sentences."""

import pytest

from creditrisk.errors import os_sentence


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "out.csv"), "out.csv: No space left on device"),
        (OSError("No space left on device (os error 28)\nmore"), "a file: No space left on device (os error 28)"),
        (OSError(), "a file: OSError"),
    ],
)
def test_an_error_that_names_no_file_still_says_what_is_wrong(error: OSError, said: str) -> None:
    assert os_sentence(error) == said
