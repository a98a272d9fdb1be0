"""Distil a student from the bundled teacher, evaluate it, lift photographs, write one page.

Runs `trilift distill`, `trilift evaluate` and `trilift lift` with the settings that it prints. The
same command continues an interrupted demo. The page is index.html in the run's folder: one file
that needs no network.
"""

import logging
import math
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, TypedDict

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import to_plain
from pipeline.evaluation.report.demo.page import LiftedPhotograph, Story, demo_page
from pipeline.evaluation.report.demo.progress import BUSY, Progress
from pipeline.evaluation.report.results_folder import read_results
from pipeline.evaluation.suites.puppet_suite import photograph_of
from pipeline.lifter import Lifter
from pipeline.pictures import write_png
from pipeline.runs.child_process import ChildProcess, setting, verb_command
from pipeline.runs.curves import read_curves
from pipeline.runs.files import sha256_of_file, write_text
from pipeline.runs.machine_load import MachineLoad
from pipeline.runs.provenance import peak_memory_gib
from pipeline.runs.run_folder import RunFolder
from teachers.passport import Passport
from teachers.plain_values import read_json_file

log = logging.getLogger("trilift.demo")

PUPPET_RESOLUTION = 128
"""Side of the puppets' photographs; the student scales them to its own size."""

YAWS_DEG = (15.0, -20.0, 5.0)
"""Yaw of the puppets' photographs, in turn."""

LOAD_INTERVAL_S, LOAD_WARNING_S = 2.0, 60.0
"""How often the load of the machine is measured; the earliest warning."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its seconds, and the share of the processors that other processes
    used meanwhile (None: unknown).
    """

    command: str
    seconds: float
    others: float | None


@dataclass(frozen=True)
class Command:
    """A verb with its settings, as it can be typed."""

    verb: str
    settings: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(["trilift", self.verb, *self.settings])

    def run(self) -> Ended:
        """Runs it with its output on this terminal.

        A Ctrl-C or SIGTERM also reaches the verb, which is waited for since it may save its state.

        Raises:
            SystemExit: it failed, after an error message of its own.
        """
        log.info("%s", self)
        started = time.perf_counter()
        with ChildProcess(verb_command(self.verb, self.settings)) as process:
            load = MachineLoad(process.pid)
            status = self._watch(process, load)
        if status:
            log.error(
                "`%s` failed with status %d; repair that, then the same command continues the demo",
                self,
                status,
            )
            raise SystemExit(status if status > 0 else 1)
        return Ended(str(self), time.perf_counter() - started, load.others)

    def _watch(self, process: "subprocess.Popen[bytes]", load: MachineLoad) -> int:
        """Waits for the end; warns once if other processes slow it down."""
        started, is_warned = time.perf_counter(), False
        while True:
            try:
                return process.wait(timeout=LOAD_INTERVAL_S)
            except subprocess.TimeoutExpired:
                others = load.update() or 0.0
            if not is_warned and time.perf_counter() - started > LOAD_WARNING_S and others > BUSY:
                is_warned = True
                log.warning(
                    "other processes use %.0f %% of the processors: %s is slowed down",
                    100 * others,
                    self.verb,
                )


@verb("demo")
def main(config: DictConfig) -> None:
    """Distil, evaluate, lift, write the page."""
    settings, folder = to_plain(config), Path(config.paths.run)
    run, student = RunFolder(folder / "student"), folder / "student" / "student.safetensors"
    distill, evaluate, lift = commands(settings, folder, student)
    before = steps_of(run)
    ended = [distill.run()]
    progress = progress_of(run, ended[0], before)
    again = continuation(progress, settings["minutes"], sys.argv[1:])
    if (warning := progress.warning()) is not None:
        log.warning("%s Continue where it ended: `%s`", warning, again)
    if not student.exists():
        raise ValueError(
            f"the distillation saved no student after {progress.count} in"
            f" {settings['minutes']:g} minutes: continue with `{again}`"
        )
    photographs = take_photographs(settings, folder / "photographs", Lifter.load(student).passport)
    forget_other_students(folder / "evaluation", student)
    ended += [command.run() for command in (evaluate, lift)]
    story = Story(
        results=read_results(folder / "evaluation"),
        curves=read_curves(folder / "student" / "metrics"),
        photographs=[
            LiftedPhotograph(title, note, folder / "lifted" / name, outside)
            for name, title, note, outside in photographs
        ],
        commands=[(each.command, each.seconds) for each in ended],
        progress=progress,
        continuation=again,
        peak_memory_gib=max(peak_memory_gib(), peak_memory_gib(of_children=True)),
    )
    write_text(folder / "index.html", demo_page(story))
    sys.stdout.write(f"\nThe page: {(folder / 'index.html').resolve()}\n")


def commands(
    settings: dict[str, Any], folder: Path, student: Path
) -> tuple[Command, Command, Command]:
    """The commands of the demo: distill, evaluate, lift."""
    teacher = (
        ()
        if settings["teacher_folder"] is None
        else (setting("teacher.path", settings["teacher_folder"]),)
    )
    limit = timedelta(minutes=settings["minutes"])
    kernels = () if settings["kernels"] == "auto" else (setting("kernels", settings["kernels"]),)
    steps = () if settings["steps"] is None else (setting("trainer.max_steps", settings["steps"]),)
    run = (
        setting("paths.run", folder / "student"),
        setting("trainer.max_time", _clock(limit)),
        *kernels,
        *steps,
    )
    known = setting("checkpoint", student)
    return (
        Command("distill", (*settings["distill"], *teacher, *run)),
        Command(
            "evaluate",
            (known, *teacher, setting("output", folder / "evaluation"), *settings["evaluate"]),
        ),
        Command(
            "lift",
            (
                known,
                setting("input", folder / "photographs"),
                setting("output", folder / "lifted"),
                *kernels,
                *settings["lift"],
            ),
        ),
    )


def take_photographs(
    settings: dict[str, Any], folder: Path, passport: Passport
) -> list[tuple[str, str, str, bool]]:
    """Writes images of test puppets and one real photograph.

    Returns:
        name, title, note, whether it is outside the student's domain.
    """
    source = (
        files("pipeline.evaluation") / "examples" / "astronaut.jpg"
        if settings["photograph"] is None
        else Path(settings["photograph"])
    )
    photograph = source.read_bytes()  # before its folder may be removed
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    photographs = []
    for place, identity in enumerate(settings["puppets"]):
        yaw = YAWS_DEG[place % len(YAWS_DEG)]
        write_png(
            folder / f"puppet{identity}.png",
            photograph_of(identity, passport, yaw_deg=yaw, resolution=PUPPET_RESOLUTION),
        )
        note = (
            f"Number {identity} of the test split, yaw {yaw:+.0f}°. Neither the teacher nor the"
            " student was trained on it."
        )
        photographs.append((f"puppet{identity}", f"Test puppet {identity}", note, False))
    (folder / f"real{Path(str(source)).suffix.lower()}").write_bytes(photograph)
    known = settings["photograph"] is None
    note = (
        "Eileen Collins, portrait by NASA, public domain."
        if known
        else f"{Path(str(source)).name} (photograph=…)."
    )
    photographs.append(
        (
            "real",
            "A real photograph",
            f"{note} The student was trained on puppets only: don't expect a likeness.",
            True,
        )
    )
    return photographs


def forget_other_students(evaluation: Path, student: Path) -> None:
    """Removes the evaluation of an older student, which can't be continued."""
    try:
        known = read_json_file(evaluation / "config.json", dict[str, Any])
    except (OSError, ValueError):
        return
    if known.get("checkpoint_sha256") != sha256_of_file(student):
        shutil.rmtree(evaluation)


class _Trainer(TypedDict):
    max_steps: int


class _Planned(TypedDict):
    trainer: _Trainer
    batch_size: int


def steps_of(run: RunFolder) -> int:
    """The steps that a distillation has reached."""
    return int(run.status().get("done", 0))


def progress_of(run: RunFolder, ended: Ended, earlier_steps: int) -> Progress:
    """How far a distillation came in this start of the demo."""
    try:
        config = read_json_file(run.config_path, _Planned)
        steps, batch_size = config["trainer"]["max_steps"], config["batch_size"]
    except (OSError, ValueError):
        steps, batch_size = 0, 0
    return Progress(
        steps=steps_of(run),
        planned_steps=steps if steps > 0 else None,
        earlier_steps=earlier_steps,
        seconds=ended.seconds,
        batch_size=batch_size,
        others=ended.others,
    )


def continuation(progress: Progress, minutes: float, arguments: Sequence[str]) -> str:
    """The command that finishes a distillation at the speed that it had: this demo's command line
    with enough minutes.
    """
    enough = progress.minutes_left() or math.ceil(2 * minutes)
    others = [argument for argument in arguments if not argument.startswith("minutes=")]
    return shlex.join(["trilift", "demo", *others, f"minutes={enough}"])


def _clock(limit: timedelta) -> str:
    """Lightning's DD:HH:MM:SS."""
    minutes, seconds = divmod(int(limit.total_seconds()), 60)
    return f"{minutes // 1440:02d}:{minutes // 60 % 24:02d}:{minutes % 60:02d}:{seconds:02d}"


if __name__ == "__main__":
    main()
