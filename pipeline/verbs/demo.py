"""Show what the bundled students make of photographs, then distil a fresh one, on one page.

The page is index.html in the run's folder: one file that needs no network, written within the first
minute and again while the distillation goes on. `trilift distill` and `trilift evaluate` run with
the settings that are printed. The same command continues an interrupted demo.
"""

import logging
import math
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import compose, to_plain
from pipeline.build.held_out_goal import held_out_psnr
from pipeline.evaluation.report.demo.cast import cast_of, world_of
from pipeline.evaluation.report.demo.lifts import Photograph, lift_all
from pipeline.evaluation.report.demo.page import Goal, Story, demo_page
from pipeline.evaluation.report.demo.progress import BUSY, Progress
from pipeline.evaluation.report.results_folder import read_results
from pipeline.inference.pretrained import BUNDLED
from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter
from pipeline.runs.child_process import ChildProcess, setting, verb_command
from pipeline.runs.curves import read_curves
from pipeline.runs.files import sha256_of_file, write_text
from pipeline.runs.machine_load import MachineLoad
from pipeline.runs.provenance import peak_memory_gib
from pipeline.runs.run_folder import RunFolder
from teachers.plain_values import read_json_file

log = logging.getLogger("trilift.demo")

LOAD_INTERVAL_S, LOAD_WARNING_S = 2.0, 60.0
"""How often the load of the machine is measured; the earliest warning."""

PAGE_INTERVAL_S = 15.0
"""How often the page is written while the distillation goes on."""

FRESH = "yours, distilled here"


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

    def run(self, meanwhile: Callable[[], None] | None = None) -> Ended:
        """Runs it with its output on this terminal; `meanwhile` is called every now and then.

        A Ctrl-C or SIGTERM also reaches the verb, which is waited for since it may save its state.

        Raises:
            SystemExit: it failed, after an error message of its own.
        """
        log.info("%s", self)
        started = time.perf_counter()
        with ChildProcess(verb_command(self.verb, self.settings)) as process:
            load = MachineLoad(process.pid)
            status = self._watch(process, load, meanwhile)
        if status:
            log.error(
                "`%s` failed with status %d; repair that, then the same command continues the demo",
                self,
                status,
            )
            raise SystemExit(status if status > 0 else 1)
        return Ended(str(self), time.perf_counter() - started, load.others)

    def _watch(
        self,
        process: "subprocess.Popen[bytes]",
        load: MachineLoad,
        meanwhile: Callable[[], None] | None,
    ) -> int:
        """Waits for the end; warns once if other processes slow it down."""
        started, is_warned = time.perf_counter(), False
        called = started
        while True:
            try:
                return process.wait(timeout=LOAD_INTERVAL_S)
            except subprocess.TimeoutExpired:
                others = load.update() or 0.0
            now = time.perf_counter()
            if meanwhile is not None and now - called > PAGE_INTERVAL_S:
                meanwhile()
                called = time.perf_counter()
            if not is_warned and now - started > LOAD_WARNING_S and others > BUSY:
                is_warned = True
                log.warning(
                    "other processes use %.0f %% of the processors: %s is slowed down",
                    100 * others,
                    self.verb,
                )


@verb("demo")
def main(config: DictConfig) -> None:
    """Lifts by the bundled students, writes the page; distils, evaluates, writes it again."""
    settings, folder = to_plain(config), Path(config.paths.run)
    run, student = RunFolder(folder / "student"), folder / "student" / "student.safetensors"
    distill, evaluate = commands(settings, folder, student)
    cast = lift_bundled(settings, folder / "lifted")
    story = Story(photographs=everybody(cast), is_running=True)
    page = write_page(folder, story)
    sys.stdout.write(f"\nThe page: {page.resolve()}\nIt shows the bundled students; a fresh one")
    sys.stdout.write(" begins to learn now, and the page is written again as it does.\n\n")
    sys.stdout.flush()
    story = replace(story, goal=goal_of(distill))
    before, started = steps_of(run), time.perf_counter()

    def learning() -> None:
        write_page(folder, with_progress(story, run, before, time.perf_counter() - started))

    learning()
    ended = [distill.run(learning)]
    progress = progress_of(run, ended[0], before)
    again = continuation(progress, settings["minutes"], sys.argv[1:])
    if (warning := progress.warning()) is not None:
        log.warning("%s Continue where it ended: `%s`", warning, again)
    if not student.exists():
        raise ValueError(
            f"the distillation saved no student after {progress.count} in"
            f" {settings['minutes']:g} minutes: continue with `{again}`"
        )
    lift_fresh(settings, student, cast, folder / "lifted")
    story = with_progress(story, run, before, ended[0].seconds)
    story = replace(story, progress=progress, continuation=again)
    write_page(folder, story)
    forget_other_students(folder / "evaluation", student)
    ended.append(evaluate.run())
    story = replace(
        story,
        results=read_results(folder / "evaluation"),
        commands=[(each.command, each.seconds) for each in ended],
        is_running=False,
        peak_memory_gib=max(peak_memory_gib(), peak_memory_gib(of_children=True)),
    )
    sys.stdout.write(f"\nThe page: {write_page(folder, story).resolve()}\n")


def write_page(folder: Path, story: Story) -> Path:
    """Writes the page of the demo."""
    write_text(folder / "index.html", demo_page(story))
    return folder / "index.html"


def commands(settings: dict[str, Any], folder: Path, student: Path) -> tuple[Command, Command]:
    """The commands of the demo: distill, evaluate."""
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
    )


Cast = dict[str, list[Photograph]]
"""Photographs by the world of the students that lift them."""


def lift_bundled(settings: dict[str, Any], folder: Path) -> Cast:
    """Lifts photographs with every bundled student: held-out people of its world, and a real one.

    Raises:
        FileNotFoundError: no such photograph.
    """
    shutil.rmtree(folder, ignore_errors=True)
    cast: Cast = {}
    for file in bundled_students():
        reconstructor = Reconstructor.from_pretrained(file, kernels=settings["kernels"])
        passport = reconstructor.lifter.passport
        given = settings["photograph"]
        photographs = cast.setdefault(
            world_of(passport),
            cast_of(
                passport,
                puppets=settings["puppets"],
                photograph=None if given is None else Path(str(given)),
            ),
        )
        name = f"bundled/{file.stem}"
        lift_all(name, reconstructor, photographs, folder, side=settings["orbit_side"])
    return cast


def lift_fresh(settings: dict[str, Any], student: Path, cast: Cast, folder: Path) -> None:
    """Lifts the photographs of its world with the student that was distilled."""
    reconstructor = Reconstructor.from_pretrained(student, kernels=settings["kernels"])
    photographs = cast.get(world_of(reconstructor.lifter.passport)) or everybody(cast)
    lift_all(FRESH, reconstructor, photographs, folder, side=settings["orbit_side"])


def bundled_students() -> list[Path]:
    """All, by name."""
    return sorted(BUNDLED.glob("*.safetensors"))


def everybody(cast: Cast) -> list[Photograph]:
    """All photographs, world by world."""
    return [photograph for photographs in cast.values() for photograph in photographs]


def goal_of(distill: Command) -> Goal | None:
    """What the best of the bundled students reaches on the distillation's held-out identities; None
    where its teacher has none.
    """
    config = compose("distill", *distill.settings)
    goals = []
    for file in bundled_students():
        lifter = Lifter.load(file)
        if (psnr := held_out_psnr(config, lifter)) is not None:
            goals.append(Goal(f"bundled/{file.stem}", lifter.step, psnr))
    return max(goals, key=lambda goal: goal.psnr, default=None)


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


def with_progress(story: Story, run: RunFolder, earlier_steps: int, seconds: float) -> Story:
    """The story with the distillation as it stands; its metrics are ahead of its saved state."""
    curves = read_curves(run.path / "metrics")
    progress = progress_of(run, Ended("", seconds, None), earlier_steps)
    logged = max((int(curve[-1][0]) for curve in curves.values() if curve), default=0)
    return replace(
        story,
        curves=curves,
        progress=replace(progress, steps=max(progress.steps, logged)),
        preview=max((run.path / "previews").glob("step-*.png"), default=None),
    )


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
