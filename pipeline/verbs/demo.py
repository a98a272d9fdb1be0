"""Distil a student from the bundled teacher, evaluate it, lift pictures, write one page.

Runs `trilift distill`, `trilift evaluate` and `trilift lift`, each as it could be typed. What has
been done is not done again: an interrupted demo continues where it was. The page is
OUTPUT/index.html, one file without a network.
"""

import json
import logging
import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import to_plain
from pipeline.evaluation.report.demo_page import LiftedPhotograph, Story, demo_page
from pipeline.evaluation.report.demo_report import demo_report
from pipeline.evaluation.report.demo_sheet import demo_sheet
from pipeline.evaluation.suites.puppet_suite import photograph_of
from pipeline.lifter import Lifter
from pipeline.pictures import write_png
from pipeline.runs.child_process import ChildProcess, setting, verb_command
from pipeline.runs.curves import read_curves
from pipeline.runs.files import sha256_of_file, write_text
from pipeline.runs.provenance import peak_memory_gib
from teachers.passport import Passport

log = logging.getLogger("trilift.demo")

PUPPET_RESOLUTION = 128
"""Side of the puppets' photographs; the student sees them at its own size."""

SHOWN = 4
"""Identities on the sheet of the evaluation."""

YAWS_DEG = (15.0, -20.0, 5.0)
"""From where the puppets are photographed, in turn."""


@dataclass(frozen=True)
class Command:
    """A verb with its settings, as it can be typed."""

    verb: str
    settings: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(["trilift", self.verb, *self.settings])

    def run(self) -> float:
        """Runs it, showing what it says; returns the seconds.

        A Ctrl-C reaches the verb, too; it is waited for, since it may save its state. So is one
        that is told to end.

        Raises:
            SystemExit: it failed; it has said why.
        """
        log.info("%s", self)
        started = time.perf_counter()
        with ChildProcess(verb_command(self.verb, self.settings)) as process:
            status = process.wait()
        if status:
            log.error(
                "`%s` ended with status %d; the same command continues the demo once that is"
                " repaired",
                self,
                status,
            )
            raise SystemExit(status if status > 0 else 1)
        return time.perf_counter() - started


@verb("demo")
def main(config: DictConfig) -> None:
    """Distil, judge, lift, tell."""
    settings, folder = to_plain(config), Path(config.paths.run)
    student = folder / "student" / "student.safetensors"
    distill, evaluate, lift = commands(settings, folder, student)
    times = [(str(distill), distill.run())]
    if not student.exists():
        raise ValueError(
            f"the distillation has no student after {settings['minutes']:g} minutes: give it more,"
            " minutes=…, and start again"
        )
    photographs = take_photographs(settings, folder / "photographs", Lifter.load(student).passport)
    forget_other_students(folder / "evaluation", student)
    times += [(str(command), command.run()) for command in (evaluate, lift)]
    write_png(
        folder / "evaluation" / "puppets.png", demo_sheet(folder / "evaluation", identities=SHOWN)
    )
    story = Story(
        report=demo_report(folder / "evaluation"),
        sheet=folder / "evaluation" / "puppets.png",
        curves=read_curves(folder / "student" / "metrics"),
        photographs=[
            LiftedPhotograph(title, note, folder / "lifted" / name, outside)
            for name, title, note, outside in photographs
        ],
        commands=times,
        planned_steps=planned_steps(folder / "student"),
        peak_memory_gib=max(peak_memory_gib(), peak_memory_gib(of_children=True)),
    )
    write_text(folder / "index.html", demo_page(story))
    sys.stdout.write(f"\nThe page with everything: {(folder / 'index.html').resolve()}\n")


def commands(
    settings: dict[str, Any], folder: Path, student: Path
) -> tuple[Command, Command, Command]:
    """What is run: distill, evaluate, lift."""
    teacher = (
        ()
        if settings["teacher_folder"] is None
        else (setting("teacher.path", settings["teacher_folder"]),)
    )
    limit = timedelta(minutes=settings["minutes"])
    steps = () if settings["steps"] is None else (setting("trainer.max_steps", settings["steps"]),)
    run = (
        setting("paths.run", folder / "student"),
        setting("trainer.max_time", _clock(limit)),
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
                *settings["lift"],
            ),
        ),
    )


def take_photographs(
    settings: dict[str, Any], folder: Path, passport: Passport
) -> list[tuple[str, str, str, bool]]:
    """Test puppets and one real photograph as files; returns name, title, note, whether it is
    outside the student's world.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    told = []
    for place, identity in enumerate(settings["puppets"]):
        yaw = YAWS_DEG[place % len(YAWS_DEG)]
        write_png(
            folder / f"puppet{identity}.png",
            photograph_of(identity, passport, yaw_deg=yaw, resolution=PUPPET_RESOLUTION),
        )
        note = (
            f"Number {identity} of the test split, seen from {yaw:+.0f}°. Neither the teacher nor"
            " the student has ever met them."
        )
        told.append((f"puppet{identity}", f"Test puppet {identity}", note, False))
    source = (
        files("pipeline.evaluation") / "examples" / "astronaut.jpg"
        if settings["photograph"] is None
        else Path(settings["photograph"])
    )
    (folder / f"real{Path(str(source)).suffix.lower()}").write_bytes(source.read_bytes())
    known = settings["photograph"] is None
    note = (
        "Eileen Collins, portrait by NASA, public domain."
        if known
        else f"{Path(str(source)).name}, given as photograph=."
    )
    told.append(
        (
            "real",
            "A real photograph",
            f"{note} Nothing like it was in the student's world: don't expect a likeness.",
            True,
        )
    )
    return told


def forget_other_students(evaluation: Path, student: Path) -> None:
    """Removes an evaluation of a student that has learned on since: it isn't continued."""
    try:
        known = json.loads((evaluation / "config.json").read_text())["checkpoint_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if known != sha256_of_file(student):
        shutil.rmtree(evaluation)


def planned_steps(run: Path) -> int | None:
    """How long the distillation was to be."""
    try:
        steps = json.loads((run / "config.json").read_text())["trainer"]["max_steps"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return int(steps) if steps > 0 else None


def _clock(limit: timedelta) -> str:
    """Lightning's DD:HH:MM:SS."""
    seconds = int(limit.total_seconds())
    return f"{seconds // 86400:02d}:{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


if __name__ == "__main__":
    main()
