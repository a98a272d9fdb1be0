"""One sample again: the same identity, cameras and rays as in training, for any student."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.lifter import Lifter
from pipeline.pictures import depth_picture, tile
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from teachers.passport import Passport
from teachers.rendering.rendering import Rendering

from .adversarial import AdversarialDistillation
from .module import STATE_KEY, Distillation
from .previews import COLUMNS, depth_range, enlarged

ERROR_GAIN = 2.0


@dataclass(frozen=True)
class Replay:
    """A sample and the student's prediction.

    Attributes:
        batch: the sample, as a batch of one.
        renderings: the student's, by view.
        losses: `loss`, the weighted sum, and its unweighted terms.
        gradient_norm: of the loss of this sample alone, over all trained parameters.
    """

    batch: DistillationBatch
    renderings: dict[str, Rendering]
    losses: dict[str, float]
    gradient_norm: float


def replay(
    module: Distillation, number: int, *, step: int, views: tuple[str, ...] = ("reference", "novel")
) -> Replay:
    """Draws a sample, lifts its image and computes the losses of a step; changes nothing.

    Args:
        module: student, source and plan.
        number: of the sample.
        step: the losses are those of its stage.
        views: that are rendered.
    """
    stage = module.plan.at(step)
    batch = module.source([number])
    with torch.enable_grad():
        prediction = module.lift(batch.image)
        coded = module.coded(prediction, batch)
        renderings = module.render_views(coded.triplane, batch, views)
        loss, terms = module.compare(prediction, renderings, batch, stage.losses)
        loss, terms = loss + coded.loss, terms | coded.terms
        if stage.adversarial is not None and isinstance(module, AdversarialDistillation):
            adversarial, more = module.adversarial_loss(renderings, batch, stage.adversarial)
            loss, terms = loss + adversarial, terms | more
        # Not backward(), in which DDP would wait for the other processes.
        gradients = torch.autograd.grad(
            loss, [p for p in module.lifter.parameters() if p.requires_grad], allow_unused=True
        )
    norm = torch.nn.utils.get_total_norm(
        [gradient for gradient in gradients if gradient is not None]
    )
    losses = {name: float(value.detach()) for name, value in {"loss": loss, **terms}.items()}
    return Replay(batch, renderings, losses, float(norm))


def describe(replayed: Replay) -> str:
    """The losses, one a line; values that aren't finite are marked."""
    values = {**replayed.losses, "gradient norm": replayed.gradient_norm}
    return "\n".join(
        f"  {name:24}{value:12.6g}{'' if math.isfinite(value) else '   <- not finite'}"
        for name, value in values.items()
    )


@torch.no_grad()
def replay_sheet(replayed: Replay, passport: Passport) -> Float[Tensor, "3 height width"]:
    """A row for each view: input · teacher · student · error · both depths. NaN is magenta."""
    near, far = depth_range(passport)
    rows = []
    for view, student in replayed.renderings.items():
        teacher = getattr(replayed.batch, view).rendering
        error = ((student.image - teacher.image).abs() * ERROR_GAIN - 1).clamp(-1, 1)
        depths = [depth_picture(rendering.depth, near, far) for rendering in (teacher, student)]
        rows.append(
            [
                enlarged(picture[0])
                for picture in (
                    replayed.batch.image,
                    teacher.image,
                    student.image,
                    error,
                    *depths,
                )
            ]
        )
    return tile(rows, column_labels=COLUMNS)


def student_weights(run: RunFolder, which: str) -> tuple[int, dict[str, torch.Tensor]]:
    """Step and weights of a run's "last" student as it is trained, with its adversary; or of its
    "best", which is an average.
    """
    if which == "best":
        lifter = Lifter.load(run.path / "student.safetensors")
        return lifter.step, {f"lifter.{name}": value for name, value in lifter.state_dict().items()}
    if which != "last":
        raise ValueError(f"replay_student is {which!r}: use last or best")
    state = SafetensorsCheckpointIO().load_checkpoint(run.last_checkpoint)
    return int(state[STATE_KEY]["step"]), dict(state["state_dict"])
