"""Runs of `trilift distill` as processes that can be killed, without the price of starting Python
for each.
"""

import json
import re
import socket
import time
from pathlib import Path

import pytest

from pipeline.runs.resume import SafetensorsCheckpointIO
from tests.builders import STUDENT_SETTINGS
from tests.fork_server import ForkServer

SMALL_RUN = [
    "teacher=untrained_tiny",
    "loss=[triplane,image,depth]",
    *STUDENT_SETTINGS,
    "batch_size=2",
    "calibration_samples=4",
    "trainer.threads=1",
    "callbacks.validation.samples=0",
    "callbacks.preview.identities=0",
    "callbacks.state.every_steps=1",
]


class Run:
    """One run's folder, and the processes that work on it."""

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.output = folder.with_name(f"{folder.name}.log")

    @property
    def settings(self) -> list[str]:
        """The settings of every process of the run."""
        return [*SMALL_RUN, f"paths.run={self.folder}"]

    def start(self, *settings: str, **environment: str) -> int:
        """Starts a process; returns its id."""
        return self.server.ask(
            {
                "start": [*self.settings, *settings],
                "environment": environment,
                "output": str(self.output),
            }
        )

    def wait(self, process: int) -> int:
        """The exit status of a process; negative: the signal that killed it."""
        return self.server.wait(process)

    def reach(self, step: int) -> None:
        """Waits until a step has been saved."""
        deadline = time.monotonic() + 200
        while self.step < step and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.step >= step, self.log

    def finish(self, *settings: str, **environment: str) -> "Run":
        """Runs to the end, which has to be a good one."""
        assert self.wait(self.start(*settings, **environment)) == 0, self.log
        return self

    def together(self, *settings: str, port: int, **environment: str) -> list[int]:
        """The exit statuses of two processes that share the run as torchrun would let them."""
        shared = {
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "GROUP_RANK": "0",
            "TORCHELASTIC_RUN_ID": "test",
            **environment,
        }
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        processes = [
            self.start(
                "trainer.devices=2",
                *settings,
                **shared,
                **address,
                RANK=str(rank),
                LOCAL_RANK=str(rank),
            )
            for rank in range(2)
        ]
        return [self.wait(process) for process in processes]

    @property
    def log(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    @property
    def state(self) -> dict:
        """The last training state."""
        return SafetensorsCheckpointIO().load_checkpoint(self.folder / "checkpoints" / "last")

    @property
    def status(self) -> dict:
        return json.loads((self.folder / "status.json").read_text())

    @property
    def step(self) -> int:
        """The step of the last training state, 0 before the first; cheap, and right while another
        process saves.
        """
        try:
            text = (self.folder / "checkpoints" / "last" / "state.json").read_text()
        except FileNotFoundError:
            return 0
        return int(re.search(r'"distillation", {"\$dict": \[\["step", (\d+)', text)[1])


@pytest.fixture
def new_run(fork_server, tmp_path):
    """A function: name → run in a folder of that name."""
    return lambda name: Run(fork_server, tmp_path / name)


@pytest.fixture
def free_port() -> int:
    """A port for a process group."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
