"""`profiler=N`: where the time of N training steps goes, in this project's words.

The code names its stages by `torch.profiler.record_function`; outside a profile that costs a
microsecond.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from .files import write_text
from .processes import is_first_process

log = logging.getLogger(__name__)

STAGES = (
    "waiting for the loader",
    "teacher planes",
    "teacher views",
    "encode",
    "codec",
    "generate planes",
    "render",
    "losses",
    "discriminate",
    "backward",
    "optimiser",
)
"""The names in a profile, in the order of a step. They don't overlap."""

STEPS = "profiled steps"
"""The name of all of them together."""

WARM_UP = 3
"""Steps before the first that is profiled."""


@dataclass(frozen=True)
class StageTime:
    """Time of one stage in all profiled steps.

    Attributes:
        name: one of `STAGES`.
        calls: how often it was entered.
        seconds: of the host.
        device_seconds: of kernels on a GPU; 0 on a CPU.
    """

    name: str
    calls: int
    seconds: float
    device_seconds: float


class StepProfiler(Callback):
    """Profiles some steps of a training, in its first process, after `WARM_UP` steps.

    Must be the first of the callbacks. Writes `FOLDER/step-N/stages.md` (the stages, sorted, with
    their shares of a step), `operators.txt` (torch's operators, by their own time) and `trace.json`
    (for chrome://tracing or Perfetto).

    Args:
        folder: for the profiles of all starts of a run.
        steps: how many steps are profiled.
        step_of: the step that a module has reached.

    Raises:
        ValueError: `steps` is below 1.
    """

    def __init__(self, folder: Path, *, steps: int, step_of: Callable[[Any], int]) -> None:
        if steps < 1:
            raise ValueError(f"profiler is {steps}: give the number of steps to profile, or null")
        self.folder, self.steps, self.step_of = folder, steps, step_of
        self._seen = 0
        self._first = 0
        self._profile: profile | None = None
        self._all_steps = record_function(STEPS)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Begins after the warm-up, ends after `steps` more steps."""
        self._seen += 1
        if self._seen == WARM_UP and is_first_process():
            self._begin(module)
        elif self._profile is not None and self._seen == WARM_UP + self.steps:
            self._end(self.steps)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Ends early with the training."""
        if self._profile is not None and self._seen > WARM_UP:
            self._end(self._seen - WARM_UP)
        elif self._seen <= WARM_UP and is_first_process():
            log.warning(
                "nothing was profiled: the training made %d steps, and %d warm up",
                self._seen,
                WARM_UP,
            )

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Drops a profile that isn't complete."""
        if self._profile is not None:
            self._profile.stop()
            self._profile = None

    def _begin(self, module: LightningModule) -> None:
        self._first = self.step_of(module)
        activities = [ProfilerActivity.CPU]
        if module.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
            torch.cuda.synchronize(module.device)
        # A batch that is drawn ahead is drawn in another thread.
        threads = torch._C._profiler._ExperimentalConfig(profile_all_threads=True)
        self._profile = profile(activities=activities, experimental_config=threads)
        self._profile.start()
        self._all_steps = record_function(STEPS)
        self._all_steps.__enter__()

    def _end(self, steps: int) -> None:
        assert self._profile is not None
        self._all_steps.__exit__(None, None, None)
        self._profile.stop()
        finished, self._profile = self._profile, None
        folder = self.folder / f"step-{self._first:07d}"
        folder.mkdir(parents=True, exist_ok=True)
        events = finished.events() or []
        total = sum(event.cpu_time_total for event in events if event.name == STEPS) / 1e6
        table = stage_table(stage_times(events), steps=steps, seconds=total)
        write_text(folder / "stages.md", f"{table}\n")
        order = "self_device_time_total" if _has_device(events) else "self_cpu_time_total"
        operators = finished.key_averages().table(sort_by=order, row_limit=40)
        write_text(folder / "operators.txt", f"{operators}\n")
        finished.export_chrome_trace(str(folder / "trace.json"))
        log.info("profile of %d steps: %s\n%s", steps, folder, table)


def stage_times(events: Sequence[Any]) -> list[StageTime]:
    """The times of the stages that occur in a profile's events, the longest first."""
    found: dict[str, list[Any]] = {name: [] for name in STAGES}
    for event in events:
        if event.name in found:
            found[event.name].append(event)
    times = [
        StageTime(
            name,
            calls=len(host := [one for one in of_stage if one.device_type == DeviceType.CPU]),
            seconds=sum(one.cpu_time_total for one in host) / 1e6,
            device_seconds=sum(one.device_time_total for one in host) / 1e6,
        )
        for name, of_stage in found.items()
        if of_stage
    ]
    return sorted(times, key=lambda time: -max(time.seconds, time.device_seconds))


def stage_table(times: Sequence[StageTime], *, steps: int, seconds: float) -> str:
    """Times of stages as Markdown, a row each, with what no stage covers.

    Args:
        times: of the stages.
        steps: number of profiled steps.
        seconds: of all of them, by the clock.
    """
    on_device = any(time.device_seconds for time in times)
    rest = max(0.0, seconds - sum(time.seconds for time in times))
    rows = [*times, StageTime("all else", steps, rest, 0.0)]
    heads = ["stage", "calls a step", "ms a step", "share of a step"]
    heads += ["GPU ms a step"] if on_device else []
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [
            row.name,
            f"{row.calls / steps:.3g}",
            f"{1000 * row.seconds / steps:.3g}",
            f"{row.seconds / max(seconds, 1e-9):.1%}",
        ]
        cells += [f"{1000 * row.device_seconds / steps:.3g}"] if on_device else []
        lines.append(f"| {' | '.join(cells)} |")
    whole = f"A step takes {1000 * seconds / steps:.3g} ms with the profiler ({steps} steps)."
    return "\n".join([*lines, "", whole])


def _has_device(events: Sequence[Any]) -> bool:
    return any(event.device_type != DeviceType.CPU for event in events)
