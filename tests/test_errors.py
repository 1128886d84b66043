"""Errors of the operating system as sentences, and hints."""

import pytest

from creditrisk.errors import nearest, os_sentence


@pytest.mark.parametrize(
    ("name", "known", "found"), [("Y", ["x", "y"], "y"), ("status", ["STATUSS", "Day"], "STATUSS")]
)
def test_the_nearest_name_may_be_written_in_other_letters(name: str, known: list[str], found: str) -> None:
    assert nearest(name, known) == f" Did you mean {found!r}?"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "out.csv"), "out.csv: No space left on device"),
        (OSError("No space left on device (os error 28)\nmore"), "a file: No space left on device (os error 28)"),
        (OSError(), "a file: OSError"),
        (
            OSError("libgomp.so.1: cannot open shared object file: No such file or directory"),
            "libgomp.so.1: cannot open shared object file: No such file or directory; LightGBM needs this library of "
            "the system (Debian and Ubuntu: apt-get install libgomp1)",
        ),
    ],
)
def test_an_error_that_names_no_file_still_says_what_is_wrong(error: OSError, said: str) -> None:
    assert os_sentence(error) == said
