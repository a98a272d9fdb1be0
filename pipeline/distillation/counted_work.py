"""The work of a stage, counted instead of timed: for machines that aren't at hand.

Teacher, student, losses and adversary run on the device "meta", which knows shapes and computes
nothing. Convolutions, matrix products and attention are counted; lookups in planes are not.
"""

import copy
import logging
from typing import Any

import torch

from pipeline.batch import DistillationBatch
from pipeline.runs.machines import Machine, Work, counted
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.source import Sampler, SamplerWrapper
from pipeline.sampling.view_rendering import ViewRendering

from .adversarial import AdversarialDistillation
from .cost import StageCost
from .module import Distillation
from .plan import Stage
from .planner import step_kinds

log = logging.getLogger(__name__)

META = torch.device("meta")

IDENTITIES = 4
"""In the batch that is counted: a group of the discriminator's statistics."""

BYTES_OF_TRAINING = 20
"""Of a trained parameter: itself, its gradient, Adam's two moments and the average."""


def count_stage(
    module: Distillation,
    sampler: Sampler,
    stage: Stage,
    *,
    end: int,
    r1_every: int | None,
    micro_batch: int,
    processes: int,
    machine: Machine,
) -> StageCost:
    """What a stage takes on a machine, from its work; validations and previews are left out.

    Args:
        module: of the stage; is moved to the device "meta".
        sampler: of the teacher's identities; likewise.
        stage: the stage.
        end: its last step in this run; -1: it has none.
        r1_every: of the adversary; None without one.
        micro_batch: identities that a process lifts at once.
        processes: that share a step, one GPU each.
        machine: the GPU.
    """
    module.to(META)
    for other in module.plan.stages:
        other.losses.to(META)
    source = _countable(sampler).to(META)
    batch, drawn = counted(lambda: source(range(IDENTITIES)))
    works = [
        (
            kind.share,
            _step(
                module,
                source,
                batch,
                stage,
                views=stage.views(kind.numbers[0]),
                has_penalty=r1_every is not None and kind.numbers[0] % r1_every == 0,
            ),
        )
        for kind in step_kinds(stage, end=end, r1_every=r1_every)
    ]
    student = sum(share * work.flops for share, work in works) / IDENTITIES
    teacher = drawn.flops / IDENTITIES
    saved = max(work.saved_bytes for _, work in works) / IDENTITIES
    trained = sum(one.numel() for one in module.parameters() if one.requires_grad)
    frozen = sum(one.numel() for one in module.parameters() if not one.requires_grad)
    frozen += sum(one.numel() for one in _parameters(source.teacher))
    memory = BYTES_OF_TRAINING * trained + 4 * frozen + saved * micro_batch
    return StageCost(
        name=stage.name,
        steps=None if end < 0 else end - stage.start,
        seconds=(student + teacher) * module.batch_size / processes / (1e12 * machine.tflops),
        teacher_share=teacher / (student + teacher),
        memory_gib=None,
        gpu_gib=memory / 2**30,
        aside_seconds=0.0,
        state_bytes=(BYTES_OF_TRAINING - 4) * trained,
        student_bytes=4 * sum(one.numel() for one in module.lifter.parameters()),
        preview_bytes=0,
    )


def _step(
    module: Distillation,
    source: TeacherSampler,
    batch: DistillationBatch,
    stage: Stage,
    *,
    views: tuple[str, ...],
    has_penalty: bool,
) -> Work:
    """The student's part of a step, as in `training_step`."""
    (prediction, renderings), forward = counted(lambda: _predict(module, source, batch, views))
    loss, of_losses = counted(lambda: _loss(module, batch, prediction, renderings, stage))
    _, backward = counted(lambda: loss.backward())
    total = forward + of_losses + backward
    if isinstance(module, AdversarialDistillation):
        adversary = module.adversary
        pairs = [
            adversary.pair(getattr(batch, view).rendering, image, getattr(batch, view).camera)
            for view, image in renderings.items()
        ]
        result, judged = counted(
            lambda: adversary.discriminate(pairs, has_penalty=has_penalty).loss
        )
        _, learned = counted(lambda: result.backward())
        total = Work(total.flops + judged.flops + learned.flops, total.saved_bytes)
    return total


def _predict(
    module: Distillation, source: TeacherSampler, batch: DistillationBatch, views: tuple[str, ...]
) -> Any:
    prediction = module.lifter.lift(batch.image)  # autocast knows no meta tensors
    return prediction, {view: module.render_view(prediction, batch, view, source) for view in views}


def _loss(
    module: Distillation, batch: DistillationBatch, prediction: Any, renderings: Any, stage: Stage
) -> torch.Tensor:
    try:
        loss, _ = module.compare(prediction, renderings, batch, stage.losses)
    except (RuntimeError, NotImplementedError) as error:
        log.info("the losses of stage %s aren't counted: %s", stage.name, error)
        loss = prediction.planes.mean()
        loss = loss + sum(rendering.image.mean() for rendering in renderings.values())
    if isinstance(module, AdversarialDistillation) and stage.adversarial is not None:
        loss = loss + module.adversarial_loss(renderings, batch, stage.adversarial)[0]
    return loss


def _countable(sampler: Sampler) -> TeacherSampler:
    """The sampler without its filters, and with a marcher whose work doesn't depend on what the
    rays see: proposals are counted as two full passes.
    """
    while isinstance(sampler, SamplerWrapper):
        sampler = sampler.source
    if not isinstance(sampler, TeacherSampler):
        raise ValueError(
            f"a {type(sampler).__name__} can't be counted: make the dry run on the machine itself"
        )
    countable = copy.copy(sampler)
    countable.rendering = {
        name: _two_passes(view, sampler) for name, view in sampler.rendering.items()
    }
    return countable


def _two_passes(view: ViewRendering, sampler: TeacherSampler) -> ViewRendering:
    if not hasattr(sampler.teacher.renderer, "changed"):
        return view
    changes: dict[str, Any] = {**view.changes, "first_pass": "reused"}
    return ViewRendering(**changes)


def _parameters(teacher: Any) -> list[torch.Tensor]:
    return list(teacher.parameters()) if isinstance(teacher, torch.nn.Module) else []
