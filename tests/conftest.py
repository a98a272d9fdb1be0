"""What all tests share."""

import os
from pathlib import Path

import pytest

# Small tensors gain nothing from threads, and test processes would fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def untrained_student(tmp_path_factory) -> Path:
    """The file of a student with random weights for the toy teacher, small enough for any test."""
    import torch

    from pipeline.lifter import Lifter, Recipe
    from students.two_stage import TwoStageEncoder
    from teachers.toy import ToyTeacher

    torch.manual_seed(0)
    size = {"plane_channels": 16, "plane_resolution": 32, "image_size": 32, "dim": 16}
    canonical = {
        "canonical_blocks": 1,
        "canonical_patch_stride": 1,
        "canonical_widths": [8],
        "canonical_upsamplings": 0,
    }
    detail = {
        "detail_widths": [8],
        "detail_strides": [2],
        "fusion_widths": [8],
        "fusion_dim": 16,
        "head_widths": [8],
    }
    arguments = {**size, **canonical, **detail, "backbone": "compact", "backbone_widths": [8, 8, 8]}
    recipe = Recipe("students.two_stage.TwoStageEncoder", arguments)
    path = tmp_path_factory.mktemp("student") / "student.safetensors"
    Lifter.from_teacher(
        encoder=TwoStageEncoder(**arguments),
        encoder_recipe=recipe,
        teacher=ToyTeacher(resolution=8),
    ).save(path)
    return path
