"""A process that starts runs of `trilift distill` by forking: what every run needs is imported
once.

It reads one JSON object per line and writes one: `{"start": [settings], "environment": {},
"output": path}` with the process id, `{"wait": id}` with the exit status (negative: the signal).
"""

import functools
import json
import logging
import os
import resource
import signal
import sys
import traceback

import torch
from omegaconf import DictConfig

from pipeline.build.configuration import compose
from pipeline.sampling.sampler import TeacherSampler
from pipeline.verbs import distill


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


def run(config: DictConfig, environment: dict[str, str], output: str) -> int:
    log = os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.update(environment)
    if "LARGEST_FILE" in environment:  # no file may grow beyond this: what a full disk looks like
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (int(environment["LARGEST_FILE"]), resource.RLIM_INFINITY)
        )
    if "POISON" in environment:
        poison({int(number) for number in environment["POISON"].split(",")})
    if "NOTE_SAMPLES" in environment:
        note_samples(environment["NOTE_SAMPLES"] + environment.get("RANK", "0"))
    try:
        distill.main(config)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def main() -> None:
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, force=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            result = os.waitstatus_to_exitcode(os.waitpid(command["wait"], 0)[1])
        else:
            config = configuration(tuple(command["start"]))
            result = os.fork()
            if result == 0:
                os.setsid()
                os._exit(run(config, command["environment"], command["output"]))
        sys.stdout.write(f"{json.dumps(result)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
