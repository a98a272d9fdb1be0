"""A process that starts verbs by forking: what every verb needs is imported once.

It reads one JSON object per line and writes one: `{"start": [settings], "environment": {},
"output": path}`, a distillation with these settings, or `{"verb": name, "arguments": [],
"folder": path, "environment": {}, "output": path}`, `python -m pipeline.verbs.NAME ARGUMENTS` in
that folder ("code" instead of "verb": `python -c CODE ARGUMENTS`), with the process id;
`{"wait": id}` with the exit status (negative: the signal).
"""

import functools
import json
import logging
import os
import resource
import runpy
import signal
import sys
import traceback
from collections.abc import Callable

import torch
from omegaconf import DictConfig

from pipeline.build.configuration import compose
from pipeline.runs import provenance
from pipeline.sampling.sampler import TeacherSampler
from pipeline.verbs import distill
from tests import composing


def note_samples(path: str) -> None:
    """Appends the sample numbers of every training batch to a file."""
    draw = TeacherSampler.__call__

    def noted(self, samples):
        with open(path, "a") as file:
            file.write("".join(f"{number}\n" for number in samples))
        return draw(self, samples)

    TeacherSampler.__call__ = noted


def poison(samples: set[int]) -> None:
    """What the teacher shows of some identities isn't a number."""
    draw = TeacherSampler.__call__

    def poisoned(self, samples_drawn):
        identities = draw(self, samples_drawn)
        for row, number in enumerate(samples_drawn):
            if number in samples:
                identities.novel.rendering.image[row] = float("nan")
        return identities

    TeacherSampler.__call__ = poisoned


@functools.cache
def configuration(settings: tuple[str, ...]) -> DictConfig:
    """Composed once for all processes with the same settings."""
    return compose("distill", *settings)


def distillation(config: DictConfig, environment: dict[str, str]) -> None:
    logging.basicConfig(level=logging.INFO, force=True)
    if "LARGEST_FILE" in environment:  # no file may grow beyond this: what a full disk looks like
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (int(environment["LARGEST_FILE"]), resource.RLIM_INFINITY)
        )
    if "POISON" in environment:
        poison({int(number) for number in environment["POISON"].split(",")})
    if "NOTE_SAMPLES" in environment:
        note_samples(environment["NOTE_SAMPLES"] + environment.get("RANK", "0"))
    distill.main(config)


def verb(name: str, arguments: list[str], folder: str) -> None:
    module = f"pipeline.verbs.{name}"
    sys.modules.pop(module, None)  # as in a new process, where it is `__main__` alone
    sys.argv = [module, *arguments]
    os.chdir(folder)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def code(text: str, arguments: list[str], folder: str) -> None:
    sys.argv = ["-c", *arguments]
    os.chdir(folder)
    exec(text, {"__name__": "__main__"})


def exit_status(task: Callable[[], None], environment: dict[str, str], output: str) -> int:
    """Of a process that does only this."""
    log = os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.update(environment)
    try:
        task()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def forked(task: Callable[[], None], environment: dict[str, str], output: str) -> int:
    """The id of a process that does only this."""
    process = os.fork()
    if process == 0:
        os.setsid()
        os._exit(exit_status(task, environment, output))
    return process


def main() -> None:
    torch.set_num_threads(1)
    composing.install()
    provenance.packages(), provenance.versions()  # read once, not in each process
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            result = os.waitstatus_to_exitcode(os.waitpid(command["wait"], 0)[1])
        elif "start" not in command:
            kind = verb if "verb" in command else code
            what, place = command[kind.__name__], (command["arguments"], command["folder"])
            task = functools.partial(kind, what, *place)
            result = forked(task, command["environment"], command["output"])
        else:
            config = configuration(tuple(command["start"]))
            task = functools.partial(distillation, config, command["environment"])
            result = forked(task, command["environment"], command["output"])
        sys.stdout.write(f"{json.dumps(result)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
