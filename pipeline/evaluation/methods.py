"""What is evaluated: the student, its trivial baselines, inversions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.inference.runtimes import TORCH
from pipeline.lifter import Lifter
from pipeline.sampling.source import Sampler
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane

BATCH = 8


@dataclass(frozen=True)
class MethodEntry:
    """A method: a function from an image to a 3D head, and how reports describe it.

    Attributes:
        name: in reports and file names.
        title: in a few words.
        function: a square image in [-1, 1] of side `image_size` → the lifted subject.
        takes_camera: `function` takes the input's camera (None if unknown) as a second argument.
        kind: student, trivial, inversion, ceiling or foreign.
        image_size: side of the input; None: the image's own.
        notes: what a reader of its scores should know, a sentence each.
    """

    name: str
    title: str
    function: Callable[..., LiftedPortrait]
    takes_camera: bool = False
    kind: str = "student"
    image_size: int | None = None
    notes: tuple[str, ...] = ()

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> LiftedPortrait:
        """The subject in the image; methods that don't take a camera ignore it."""
        return self.function(image, camera) if self.takes_camera else self.function(image)


def student_method(
    lifter: Lifter,
    name: str = "student",
    title: str = "the student",
    kind: str = "student",
    *,
    runtime: str = TORCH,
    runtime_file: Path | str | None = None,
    bfloat16: bool = False,
) -> MethodEntry:
    """A student as a method; `runtime` and its file run the encoder, in float32 or `bfloat16` (see
    `Reconstructor`, also for the errors).
    """
    reconstructor = Reconstructor(
        lifter, runtime=runtime, runtime_file=runtime_file, bfloat16=bfloat16
    )
    told = [f"by {runtime}"] * (runtime != TORCH) + ["in bfloat16"] * bfloat16
    return MethodEntry(
        name,
        title,
        reconstructor.lift,
        kind=kind,
        image_size=reconstructor.image_size,
        notes=(f"its encoder is run {' '.join(told)}",) if told else (),
    )


def constant_method(lifter: Lifter, triplane: Triplane, name: str, title: str) -> MethodEntry:
    """The same planes for every input, rendered with the lifter's renderer."""
    portrait = LiftedPortrait(lifter, triplane)
    return MethodEntry(name, title, lambda image: portrait, kind="trivial")


def reinitialised_student(lifter: Lifter, *, seed: int) -> Lifter:
    """The same encoder with initial weights (before calibration) and the same renderer.

    Leaves torch's global seed alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = lifter.recipes["encoder"].build()
    device = next(lifter.encoder.parameters()).device
    return Lifter(
        encoder=encoder.to(device),
        renderer=lifter.renderer,
        passport=lifter.passport,
        encoder_recipe=lifter.recipes["encoder"],
        renderer_recipe=lifter.recipes["renderer"],
    ).eval()


@torch.no_grad()
def mean_planes(sampler: Sampler, count: int) -> Triplane:
    """The mean planes of `count` identities: the best constant prediction of planes."""
    total: Float[Tensor, "1 3 channel height width"] | None = None
    for start in range(0, count, BATCH):
        triplane = sampler.planes(range(start, min(start + BATCH, count)))
        planes = triplane.planes.double().sum(0, keepdim=True)
        total = planes if total is None else total + planes
    if total is None:
        raise ValueError(f"the mean of {count} identities' planes: give at least 1")
    return triplane.with_planes((total / count).float())
