"""`kernels=auto`: which implementation of the hot paths is as fast as any on this machine.

A `Trial` is a piece of a run's own work, done alternately with the readable and the fast kernels.
The fast ones are chosen unless they are slower by more than `TOLERANCE`. What was measured is kept
in the user's cache folder and holds for this processor, these versions and sizes.
"""

import hashlib
import importlib.util
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch

import teachers
from teachers.kernels import choose_kernels, use_kernels
from teachers.passport import Passport
from teachers.plain_values import read_json_file
from teachers.rendering.renderer import Renderer
from teachers.rendering.triplane import Triplane
from teachers.teacher import Teacher

from .files import sha256_of_json, write_json
from .provenance import processor, processor_flags

log = logging.getLogger(__name__)

AUTO: Final = "auto"

MEANING_OF_AUTO = "TRILIFT_KERNELS"
"""Environment variable: what auto means, readable or fast; unset: it is measured."""

TOLERANCE = 1.03
"""The fast kernels are chosen up to this multiple of the readable ones' time."""

BUDGET_S, FEWEST_PAIRS, MOST_PAIRS = 2.0, 3, 7
"""No further pair is begun after so many seconds, if there are enough, after three times as many in
any case, or after so many pairs.
"""

BUSY = 2.0
"""Waiting processes per core from which on a measurement isn't kept."""


@dataclass(frozen=True)
class Trial:
    """Work whose time decides.

    Attributes:
        run: does it once.
        sizes: what its time depends on, as plain values.
    """

    run: Callable[[], object]
    sizes: dict[str, Any]


@dataclass(frozen=True)
class Timing:
    """Seconds of a trial with either kernels, each the least of several."""

    readable: float
    fast: float

    @property
    def choice(self) -> str:
        """The kernels to use."""
        return "fast" if self.fast <= TOLERANCE * self.readable else "readable"

    def __str__(self) -> str:
        return (
            f"{1000 * self.readable:.3g} ms with readable, {1000 * self.fast:.3g} ms with fast"
            " kernels"
        )


def choose(setting: str, trial: Callable[[], Trial], device: torch.device) -> str:
    """Sets the kernels of this process.

    Args:
        setting: auto, readable or fast.
        trial: makes the work that decides, only if that is needed.
        device: that will compute. The fast kernels are for CPUs, elsewhere auto is readable.

    Returns:
        the choice, readable or fast.

    Raises:
        ValueError: another setting.
    """
    chosen = _meant(trial, device) if setting == AUTO else setting
    try:
        choose_kernels(chosen)
    except ValueError as error:
        raise ValueError(f"kernels is {chosen!r}: use auto, readable or fast") from error
    except ModuleNotFoundError as error:
        raise ValueError(f"kernels=fast: {error}") from error
    return chosen


def _meant(trial: Callable[[], Trial], device: torch.device) -> str:
    if meaning := os.environ.get(MEANING_OF_AUTO):
        return meaning
    if device.type != "cpu" or importlib.util.find_spec("numba") is None:
        return "readable"
    with torch.random.fork_rng(devices=[]):
        made = trial()
    path = cache_folder() / "kernels" / f"{sha256_of_json(_circumstances(made))[:20]}.json"
    known = _known(path)
    timing = known or measure(made)
    if known is None and not is_busy():
        _keep(path, {**_circumstances(made), **asdict(timing)})
    log.info(
        "kernels: %s (%s, %s; kernels=readable or fast overrides this)",
        timing.choice,
        timing,
        f"measured before: {path}" if known else "measured now",
    )
    return timing.choice


def measure(trial: Trial) -> Timing:
    """Times a trial with both kernels in turn, after one run of each that compiles and warms up."""
    seconds: dict[str, list[float]] = {"readable": [], "fast": []}
    for choice in seconds:
        with use_kernels(choice):
            trial.run()
    started = time.perf_counter()
    while (pairs := len(seconds["fast"])) < MOST_PAIRS:
        if pairs and time.perf_counter() - started > BUDGET_S * (1 if pairs >= FEWEST_PAIRS else 3):
            break
        for choice, values in seconds.items():
            with use_kernels(choice):
                before = time.perf_counter()
                trial.run()
                values.append(time.perf_counter() - before)
    return Timing(min(seconds["readable"]), min(seconds["fast"]))


def teacher_trial(teacher: Teacher, *, gradients: bool) -> Trial:
    """One image of a teacher: planes and view.

    Args:
        teacher: on the CPU.
        gradients: whether gradients flow into the planes, as in a student's training.
    """
    ws = teacher.mean_latent()
    rendering = _view(teacher.renderer, teacher.passport, ws, gradients=gradients)

    def run() -> None:
        with torch.no_grad():
            triplane = teacher.synthesize(ws)
        rendering(triplane)

    return Trial(run, {"planes": True, "gradients": gradients, **_sizes(teacher.passport)})


def renderer_trial(renderer: Renderer, passport: Passport) -> Trial:
    """One view of given planes, as of a student."""
    resolution = passport.plane_resolution
    planes = torch.randn(
        1,
        3,
        passport.stored_channels,
        resolution,
        resolution,
        generator=torch.Generator().manual_seed(0),
    )
    view = _view(renderer, passport, None, gradients=False)
    triplane = passport.triplane(planes)
    return Trial(lambda: view(triplane), {"planes": False, "gradients": False, **_sizes(passport)})


def is_busy() -> bool:
    """Whether other programs make measurements unreliable."""
    return os.getloadavg()[0] > BUSY * (os.cpu_count() or 1)


def cache_folder() -> Path:
    """`TRILIFT_CACHE`, or trilift's folder in the user's cache; it may not exist."""
    if given := os.environ.get("TRILIFT_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trilift"


def _view(
    renderer: Renderer, passport: Passport, ws: torch.Tensor | None, *, gradients: bool
) -> Callable[[Triplane], None]:
    camera = passport.orbit(torch.zeros(1))

    def view(triplane: Triplane) -> None:
        with torch.set_grad_enabled(gradients):
            planes = triplane.planes.detach().requires_grad_(gradients)
            rendering = renderer(triplane.with_planes(planes), camera, ws)
            if gradients:
                (rendering.image.mean() + rendering.depth.mean()).backward()

    return view


def _sizes(passport: Passport) -> dict[str, Any]:
    names = (
        "kind",
        "plane_channels",
        "plane_resolution",
        "plane_depth",
        "render_resolution",
        "image_resolution",
        "depth_samples",
        "importance_samples",
        "super_resolution",
    )
    return {name: getattr(passport, name) for name in names} | {"options": passport.options}


def _circumstances(trial: Trial) -> dict[str, Any]:
    """Everything that a measurement depends on."""
    import numba  # a tenth of a second, and only needed here

    return {
        "processor": processor(),
        "flags": processor_flags(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "teachers": _sources(),
        "threads": torch.get_num_threads(),
        "sizes": trial.sizes,
    }


@cache
def _sources() -> str:
    """A hash of the code that is measured."""
    folder = Path(teachers.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _known(path: Path) -> Timing | None:
    try:
        kept = read_json_file(path, dict[str, Any])
        return Timing(float(kept["readable"]), float(kept["fast"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, content: dict[str, Any]) -> None:
    """A cache that can't be written is done without: the next run measures again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    except OSError as error:
        log.info("the choice of kernels isn't kept: %s", error)
