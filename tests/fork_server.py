"""Verbs as processes that can be killed, without the price of starting Python for each."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.builders import REPOSITORY, process_environment


class ForkServer:
    """Starts verbs and code as processes without the price of starting Python: `forked_runs.py`."""

    def __enter__(self) -> "ForkServer":
        command = [sys.executable, str(REPOSITORY / "tests" / "forked_runs.py")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.server = subprocess.Popen(command, env=process_environment(), **pipes)
        return self

    def __exit__(self, *error: object) -> None:
        self.server.stdin.close()
        self.server.wait()

    def ask(self, command: dict[str, Any]) -> int:
        self.server.stdin.write(f"{json.dumps(command)}\n")
        self.server.stdin.flush()
        return int(json.loads(self.server.stdout.readline()))

    def start(self, verb: str, *arguments: str, output: Path, **environment: str) -> int:
        """Starts `python -m pipeline.verbs.VERB ARGUMENTS` in the folder of its output, a file;
        returns the process id.
        """
        place = {"folder": str(output.parent), "output": str(output)}
        command = {"verb": verb, "arguments": arguments, "environment": environment, **place}
        return self.ask(command)

    def run(self, code: str, *arguments: str, output: Path, **environment: str) -> str:
        """What `python -c CODE ARGUMENTS` says in the folder of its output, a file; it has to end
        well.
        """
        place = {"folder": str(output.parent), "output": str(output)}
        command = {"code": code, "arguments": arguments, "environment": environment, **place}
        status, said = self.wait(self.ask(command)), output.read_text()
        assert status == 0, said
        return said

    def wait(self, process: int) -> int:
        """The exit status of a process; negative: the signal that killed it."""
        return self.ask({"wait": process})
