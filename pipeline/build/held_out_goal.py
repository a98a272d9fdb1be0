"""What a student of another run reaches on the held-out identities of a distillation."""

import torch
from omegaconf import DictConfig

from pipeline.distillation.held_out import measure
from pipeline.lifter import Lifter
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT

from .distillation import Parts, build_module


@torch.no_grad()
def held_out_psnr(config: DictConfig, lifter: Lifter) -> float | None:
    """PSNR of the novel view, dB, as `validation/psnr_novel` of the distillation.

    Args:
        config: of `trilift distill`.
        lifter: the student.

    Returns:
        None if it is another teacher's student.
    """
    parts = Parts.build(config)
    if parts.teacher.passport.source_hash != lifter.passport.source_hash:
        return None
    module = build_module(config, parts.plan, lifter.eval(), parts.source, None)
    sampler = parts.held_out(config)
    samples, batch_size = (config.callbacks.validation[key] for key in ("samples", "batch_size"))
    numbers = range(FIRST_HELD_OUT, FIRST_HELD_OUT + samples)
    total = 0.0
    for start in range(0, samples, batch_size):
        batch = sampler(numbers[start : start + batch_size])
        total += float(measure(module, batch, sampler)["psnr_novel"]) * len(batch)
    return total / samples if samples else None
