import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.builders import process_environment

STUB = Path(__file__).parent / "stub_verb.py"

PATIENCE = 1000
"""Seconds; pytest's own limit comes first."""

SITE = f"""
import sys
import pipeline.runs.child_process
stub = [sys.executable, "-S", {str(STUB)!r}]
pipeline.runs.child_process.verb_command = lambda verb, settings: [*stub, *settings]
"""


class SweepProcess:
    """`trilift distill -m …` whose cells are stubs, also in the workers of a launcher."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SITE)
        paths = os.pathsep.join([str(site), str(repository)])
        self.environment = process_environment(PYTHONPATH=paths)
        self.started: list[subprocess.Popen[str]] = []

    @property
    def sweep(self) -> Path:
        return self.folder / "runs" / "distill" / "swept"

    def start(self, *settings: str, step_seconds: float = 0.0) -> "subprocess.Popen[str]":
        command = [
            sys.executable,
            "-m",
            "pipeline.command_line",
            "distill",
            "-m",
            "name=swept",
            "teacher=toy",
            *settings,
        ]
        environment = {**self.environment, "STUB_SECONDS": str(step_seconds)}
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.started.append(
            subprocess.Popen(
                command, cwd=self.folder, env=environment, start_new_session=True, **output
            )
        )
        return self.started[-1]

    def run(self, *settings: str, status: int = 0) -> str:
        process = self.start(*settings)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == status, output
        return output


@pytest.fixture
def sweep_process(tmp_path, repository) -> Iterator[SweepProcess]:
    process = SweepProcess(tmp_path, repository)
    yield process
    for started in process.started:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return wait
