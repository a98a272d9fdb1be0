"""The end of the demo's road is on the axis of the distillation's own validation."""

import dataclasses

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.build.distillation import Parts, build_lifter
from pipeline.build.held_out_goal import held_out_psnr
from pipeline.evaluation.metrics.image_metrics import psnr
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from tests.builders import STUDENT_SETTINGS


@torch.no_grad()
def test_it_is_the_validations_psnr_and_nothing_for_another_teachers_student():
    config = compose(
        "distill", "teacher=toy", "teacher.plane_resolution=32", "teacher.resolution=32",
        "callbacks.validation.samples=3", "callbacks.validation.batch_size=2", *STUDENT_SETTINGS,
    )  # fmt: skip
    parts = Parts.build(config)
    lifter = build_lifter(config, parts.teacher).eval()
    batch = parts.held_out(config)([FIRST_HELD_OUT + n for n in range(3)])
    views = lifter.render(lifter.lift(batch.image), batch.novel.camera)
    expected = psnr(views.image.clamp(-1, 1), batch.novel.rendering.image.clamp(-1, 1)).mean()
    found = held_out_psnr(config, lifter)
    assert found == pytest.approx(float(expected), abs=0.3)  # that one has the validation's jitter
    lifter.passport = dataclasses.replace(lifter.passport, source_hash="another")
    assert held_out_psnr(config, lifter) is None
