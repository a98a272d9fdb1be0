"""What all tests share."""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import composing, type_checks

if TYPE_CHECKING:
    from tests.fork_server import ForkServer

# Small tensors gain nothing from threads, and test processes would fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What kernels=auto means in all tests and their processes: `TRILIFT_KERNELS=fast make test`.
os.environ.setdefault("TRILIFT_KERNELS", "readable")
# Whoever has fetched networks gets the metrics and losses of whoever hasn't.
os.environ.pop("TRILIFT_WEIGHTS", None)

type_checks.install()
composing.install()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Importing makes two million objects and nothing to collect; later collections, which would
    walk through them all, leave them out.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _kernels_of_session_fixtures() -> Iterator[None]:
    """What a fixture of the session makes is compared with what a test makes, bit by bit."""
    from teachers.kernels import use_kernels

    with use_kernels(os.environ["TRILIFT_KERNELS"]):
        yield


@pytest.fixture(autouse=True)
def _kernels_of_tests() -> Iterator[None]:
    from teachers.kernels import use_kernels

    with use_kernels(os.environ["TRILIFT_KERNELS"]):
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def untrained_student(tmp_path_factory) -> Path:
    """The file of a student with random weights for the toy teacher, small enough for any test."""
    from teachers.toy import ToyTeacher
    from tests.builders import tiny_lifter

    path = tmp_path_factory.mktemp("student") / "student.safetensors"
    tiny_lifter(ToyTeacher(resolution=8)).save(path)
    return path


@pytest.fixture(scope="session")
def fork_server() -> Iterator["ForkServer"]:
    from tests.fork_server import ForkServer

    with ForkServer() as server:
        yield server


class Disk:
    """Records the calls that decide what a power cut leaves: ("sync", inode, size), ("name", path,
    inode).
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, object, int]] = []
        fsync = os.fsync

        def synced(descriptor: int) -> None:
            found = os.fstat(descriptor)
            self.calls.append(("sync", found.st_ino, found.st_size))
            fsync(descriptor)

        def named(original: Callable[..., object]) -> Callable[..., object]:
            def call(before: Path | str, now: Path | str, *others: object) -> object:
                inode = Path(before).stat().st_ino
                result = original(before, now, *others)
                self.calls.append(("name", str(now), inode))
                return result

            return call

        monkeypatch.setattr(os, "fsync", synced)
        for owner, name in (
            (os, "replace"), (os, "rename"), (os, "link"), (Path, "replace"), (Path, "rename"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, named(getattr(owner, name)))

    def require_durable(self, path: Path) -> None:
        """`path`, or the folder above it that was renamed: synced with all its bytes, then named,
        then its parent synced.
        """
        found = path.stat()
        named = [(str(path), found.st_ino), (str(path.parent), path.parent.stat().st_ino)]
        at, place = next(
            (index, Path(str(call[1])))
            for index, call in reversed(list(enumerate(self.calls)))
            if call[0] == "name" and (call[1], call[2]) in named
        )
        before, after = self.calls[:at], self.calls[at + 1 :]
        assert ("sync", found.st_ino, found.st_size) in before, f"{path} is renamed before its sync"
        assert place.parent.stat().st_ino in [call[1] for call in after if call[0] == "sync"]


@pytest.fixture
def lab(tmp_path, monkeypatch, repository) -> Iterator[str]:
    """A copy of `tests/plugins`, a user's package `my_lab`, importable; the override by which Hydra
    finds its configuration. No package is trusted yet, and none stays imported.
    """
    from pipeline.runs.trust import VARIABLE

    folder = tmp_path / "somewhere"
    shutil.copytree(repository / "tests" / "plugins", folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv(VARIABLE, "")
    yield f"hydra.searchpath=[file://{folder / 'conf'}]"
    for name in [name for name in sys.modules if name.split(".")[0] == "my_lab"]:
        del sys.modules[name]


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium (`tests/browser.py`); tests of pages are marked by `IN_BROWSER`."""
    from tests.browser import chromium

    with chromium() as started:
        yield started
