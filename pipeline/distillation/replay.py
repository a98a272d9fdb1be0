"""One sample again: the same identity, cameras and rays as in training, before the eyes of a
student.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.pictures import depth_picture, tile
from teachers.passport import Passport
from teachers.rendering.rendering import Rendering

from .adversarial import AdversarialDistillation
from .module import Distillation
from .previews import depth_range, enlarged

ERROR_GAIN = 2.0
COLUMNS = ("input", "teacher", "student", "error", "depth", "its depth")


@dataclass(frozen=True)
class Replay:
    """What came of a sample.

    Attributes:
        identities: the identity, as a batch of one.
        seen: the student's renderings by view.
        losses: `loss`, which is what training adds up, and its unweighted parts.
        gradient_norm: of the loss of this sample alone, over all that is trained.
    """

    identities: DistillationBatch
    seen: dict[str, Rendering]
    losses: dict[str, float]
    gradient_norm: float


def replay(
    module: Distillation, number: int, *, step: int, views: tuple[str, ...] = ("reference", "novel")
) -> Replay:
    """Draws a sample, lifts its picture and compares, with the losses of a step; changes nothing.

    Args:
        module: student, sampler and plan.
        number: of the sample.
        step: whose stage says which losses count.
        views: which are rendered.
    """
    stage = module.plan.at(step)
    identities = module.sampler([number])
    with torch.enable_grad():
        prediction = module.lift(identities.image)
        seen = module.looks(prediction, identities, views)
        loss, parts = module.compare(prediction, seen, identities, stage.losses)
        if stage.adversarial is not None and isinstance(module, AdversarialDistillation):
            persuasion, more = module.persuade(seen, identities, stage.adversarial)
            loss, parts = loss + persuasion, parts | more
        # Not backward(), for which DDP would wait for the other processes.
        gradients = torch.autograd.grad(
            loss, [p for p in module.lifter.parameters() if p.requires_grad], allow_unused=True
        )
    norm = torch.nn.utils.get_total_norm(
        [gradient for gradient in gradients if gradient is not None]
    )
    losses = {name: float(value.detach()) for name, value in {"loss": loss, **parts}.items()}
    return Replay(identities, seen, losses, float(norm))


def describe(again: Replay) -> str:
    """The losses, one a line; what isn't finite is marked."""
    values = {**again.losses, "gradient norm": again.gradient_norm}
    return "\n".join(
        f"  {name:24}{value:12.6g}{'' if math.isfinite(value) else '   <- not finite'}"
        for name, value in values.items()
    )


@torch.no_grad()
def replay_sheet(again: Replay, passport: Passport) -> Float[Tensor, "3 height width"]:
    """A row a view: input · teacher · student · error · their depths. NaN is magenta."""
    near, far = depth_range(passport)
    rows = []
    for view, student in again.seen.items():
        teacher = getattr(again.identities, view).rendering
        error = ((student.image - teacher.image).abs() * ERROR_GAIN - 1).clamp(-1, 1)
        depths = [depth_picture(rendering.depth, near, far) for rendering in (teacher, student)]
        rows.append(
            [
                enlarged(picture[0])
                for picture in (
                    again.identities.image,
                    teacher.image,
                    student.image,
                    error,
                    *depths,
                )
            ]
        )
    return tile(rows, column_labels=COLUMNS)
