import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from creditrisk.service.processes.child import LONGEST_WAIT, STOPPED_LOOKS, Child
from creditrisk.service.processes.stopped import is_stopped


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def module(folder: Path, text: str) -> dict[str, str]:
    """An environment in which ``python -m kid`` runs a text."""
    folder.mkdir(exist_ok=True)
    (folder / "kid.py").write_text(text)
    return os.environ | {"PYTHONPATH": str(folder)}


def ended(child: Child) -> None:
    assert child._process is not None
    child._process.wait()


def test_a_child_that_ends_is_started_again_later_and_later(tmp_path: Path) -> None:
    clock = Clock()
    child = Child("kid", tmp_path / "lock", module(tmp_path / "kid", "raise SystemExit(3)"), clock)
    starts = []
    for _ in range(12):
        child.tend()
        if child.pid is not None:
            starts.append(clock.now)
            ended(child)
            child.tend()
            assert child.ended == 3
        clock.now += 1.0
    assert [later - earlier for earlier, later in pairwise(starts)] == [1.0, 2.0, 4.0]
    clock.now += LONGEST_WAIT
    child.tend()
    ended(child)
    clock.now += LONGEST_WAIT
    child.tend()
    clock.now += 1.0
    child.tend()
    assert child.pid is not None, "one that lived long is started again soon"
    child.stop()


WAITING = (
    "from creditrisk.service.processes.child import end_with_parent\nimport time\nend_with_parent()\ntime.sleep(600)"
)


def test_a_child_that_was_stopped_is_ended_and_started_again(tmp_path: Path) -> None:
    clock = Clock()
    child = Child("kid", tmp_path / "lock", module(tmp_path / "kid", WAITING), clock)
    child.tend()
    first = child._process
    assert first is not None
    stop(first)
    for _ in range(STOPPED_LOOKS):
        clock.now += 1.0
        child.tend()
        assert first.poll() is None
    os.kill(first.pid, signal.SIGCONT)  # in time
    while is_stopped(first):
        time.sleep(0.01)
    child.tend()
    stop(first)
    for _ in range(STOPPED_LOOKS + 1):
        clock.now += 1.0
        child.tend()
    assert first.wait(60) == -signal.SIGKILL
    child.tend()
    clock.now += 1.0
    child.tend()
    assert (child.ended, child.pid not in (None, first.pid), child.age) == (-signal.SIGKILL, True, 0.0)
    child.stop()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process by a signal and wait until it stands still."""
    process.send_signal(signal.SIGSTOP)
    while not is_stopped(process):
        time.sleep(0.01)


def test_one_worker_leads_and_another_takes_over(tmp_path: Path) -> None:
    environment = module(tmp_path / "kid", WAITING)
    first, second = (Child("kid", tmp_path / "lock", environment) for _ in range(2))
    first.tend()
    second.tend()
    assert (first.pid is None, second.pid is None) == (False, True)
    process = first._process
    first.stop()
    assert process is not None
    assert process.returncode == 0, "it ended by itself when its input did"
    second.tend()
    assert second.pid is not None
    second.stop()


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    environment = module(tmp_path / "kid", WAITING)
    parent = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom creditrisk.service.processes.child import Child\n"
        f"child = Child('kid', Path({str(tmp_path / 'lock')!r}), os.environ)\nchild.tend()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    # The kid inherits this pipe as its standard error: it ends when both have ended.
    done = subprocess.run([sys.executable, "-c", parent], env=environment, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == -9
