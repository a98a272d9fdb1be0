"""Every verb that takes a device runs where no tensor may stay behind on the CPU."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.evaluation.captures import camera_fit
from pipeline.evaluation.suites import coverage
from pipeline.streaming.normalisation import calibrate
from pipeline.verbs import distill, evaluate, generate, lift, pretrain
from pipeline.worlds.dataset_zip import png_bytes, write_dataset
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher
from tests import builders
from tests.builders import STUDENT_SETTINGS, eg3d_settings
from tests.pretend_device import PRETEND, on_pretend

TEACHER = eg3d_settings(32, background="matte")
GENERATOR = [
    "teacher.z_dim=8", "teacher.w_dim=8", "teacher.plane_resolution=8", "teacher.plane_channels=4",
    "teacher.channel_base=64", "teacher.channel_max=8", "teacher.hidden_channels=8",
    "teacher.depth_samples=6", "teacher.importance_samples=6", "teacher.render_resolution=16",
    "teacher.image_resolution=16", "discriminator.channel_base=64", "discriminator.channel_max=8",
    "discriminator.num_mapping_layers=1", "schedule.growth=[[0,8],[4,16]]",
    "schedule.blur_images=8", "settings.batch_size=4", "settings.density_points=20",
    "settings.density_every=1", "settings.r1_every=1",
    "progress.scored=16", "progress.real=32", "progress.drawing.depth_samples=8",
    "progress.every_images=4", "trainer.devices=1", "trainer.threads=1",
]  # fmt: skip
TOY = ["teacher=toy", "teacher.resolution=8", "teacher.sharpness=400.0"]


@pytest.fixture(autouse=True)
def device():
    with on_pretend() as device:
        yield device
    assert device.operations > 0


@pytest.fixture(scope="module")
def teacher_folder(tmp_path_factory) -> Path:
    return builders.teacher_folder(tmp_path_factory.mktemp("teachers") / "tiny", TEACHER)


@pytest.fixture
def photograph(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    (tmp_path / "photographs").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photographs" / "anna.png")
    return tmp_path / "photographs" / "anna.png"


@pytest.mark.parametrize(
    "mixed",
    [
        lambda here: here + torch.ones(3),
        lambda here: torch.ones(3) * here.sum(),
        lambda here: torch.cat([here, torch.ones(1)]),
        lambda here: here.index_put_((torch.tensor([0]),), torch.ones(1)),
        lambda here: torch.nn.Linear(3, 3)(here),
        lambda here: torch.randn(3, device=here.device, generator=torch.Generator()),
        lambda here: here.numpy(),
    ],
)
def test_the_device_refuses_what_an_accelerator_refuses(mixed):
    here = torch.arange(3.0, device=PRETEND)
    assert (here + here).device == PRETEND and (here + torch.tensor(1.0)).tolist() == [1, 2, 3]
    assert here[torch.tensor([2])].item() == 2 and here.cpu().device.type == "cpu"
    with pytest.raises(RuntimeError):
        mixed(here)


def test_the_device_computes_the_values_and_gradients_of_the_cpu():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.GroupNorm(2, 4), torch.nn.SiLU(), torch.nn.Flatten()
    )
    image = torch.randn(2, 3, 8, 8)
    expected = gradients(network, image)
    found = gradients(network.to(PRETEND), image.to(PRETEND))
    assert all(gradient.device == PRETEND for gradient in found)
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other.cpu(), atol=1e-6)


def gradients(network: torch.nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    """Of the network's output and of the penalty on its gradient."""
    image = image.clone().requires_grad_()
    output = network(image).square().mean()
    (slope,) = torch.autograd.grad(output, image, create_graph=True)
    return [slope, *torch.autograd.grad(slope.square().sum(), [*network.parameters()])]


def test_a_student_is_distilled_through_both_stages(teacher_folder, tmp_path):
    distill.main(
        compose(
            "distill",
            "teacher=folder",
            f"teacher.path={teacher_folder}",
            *STUDENT_SETTINGS,
            f"paths.run={tmp_path}",
            "trainer.accelerator=pretend",
            "trainer.max_steps=2",
            "trainer.threads=1",
            "loss=[triplane,image,feature,depth,dssim]",
            "batch_size=4",
            "calibration_samples=2",
            "callbacks.validation.every_steps=2",
            "callbacks.validation.samples=1",
            "callbacks.preview.identities=1",
            "plan=two_stage",
            "plan.stages.reconstruction.steps=1",
            "plan.adversary.r1_every=1",
        )
    )
    assert json.loads((tmp_path / "status.json").read_text())["status"] == "finished"
    assert (tmp_path / "student.safetensors").is_file()


def test_a_teacher_is_trained(tmp_path):
    data = write_dataset(tmp_path / "discs.zip", discs(32), {"alpha": "premultiplied"})
    pretrain.main(
        compose(
            "pretrain",
            "data=photographs",
            "licence=Apache-2.0",
            f"data.path={data}",
            f"paths.run={tmp_path / 'run'}",
            "trainer.accelerator=pretend",
            *GENERATOR,
            "schedule.total_images=8",
        )
    )
    assert (tmp_path / "run" / "teacher" / "scores.json").is_file()


def discs(count: int) -> Iterator[tuple[bytes, list[float]]]:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16] - 7.5
    for label in Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count)).label():
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[rows**2 + columns**2 < 36] = (*random.integers(0, 255, 3), 255)
        yield png_bytes(pixels), label.tolist()


@pytest.mark.parametrize("kind", ["latent", "full"])
def test_identities_are_stored(teacher_folder, tmp_path, kind):
    written = generate.main(
        compose(
            "generate",
            "device=pretend",
            "teacher=folder",
            f"teacher.path={teacher_folder}",
            f"shards={kind}",
            "shards.size=2",
            "count=2",
            "batch_size=2",
            "threads=1",
            f"output={tmp_path}",
        )
    )
    assert written == 2


@pytest.mark.parametrize("method", ["student", "w", "w_plus", "pti", "hybrid"])
def test_every_method_lifts_a_photograph(untrained_student, teacher_folder, photograph, method):
    few = {
        "student": [],
        "hybrid": [*TOY, "method.refinement.steps=1"],
        "w": [],
        "w_plus": [],
        "pti": ["method.tuning.steps=2"],
    }[method]
    if method in ("w", "w_plus", "pti"):
        few += [
            "teacher=folder",
            f"teacher.path={teacher_folder}",
            "method.search.steps=2",
            "method.search.samples=4",
        ]
    if method != "student":
        few += [
            "method.camera.mode=optimised",
            "method.camera.preheat=1",
            "method.camera.yaws_deg=[0]",
            "method.camera.pitches_deg=[0]",
            "method.progress=false",
        ]
    output = photograph.parents[1] / "out"
    lift.main(
        compose(
            "lift",
            "device=pretend",
            f"method={method}",
            f"checkpoint={untrained_student}",
            f"input={photograph}",
            f"output={output}",
            "turntable.frames=1",
            *few,
        )
    )
    assert (output / "anna" / "sheet.png").is_file()


def suites(photographs: Path, captures: Path) -> dict[str, list[str]]:
    return {
        "puppets": [
            "suite.invariance.items=0",
            "suite.identities=1",
            "suite.views=2",
            "suite.supersampling=1",
        ],
        "puppets_hard": [
            "suite.identities=1",
            "suite.views=2",
            "suite.supersampling=1",
            "suite.trained_identities=100",
            "suite.splits=[pose]",
        ],
        "teacher": [
            "suite.attribution.items=1",
            "suite.attribution.rounds=1",
            "suite.views=2",
            "suite.invariance.items=1",
            "identities=1",
        ],
        "wild": [
            f"suite.path={photographs}",
            "portraits@suite.portraits=whole",
            "suite.rounds=1",
            "suite.invariance.items=0",
        ],
        "multiview": [
            f"suite.path={captures}",
            "suite.source.identities=1",
            "suite.source.views=2",
            "suite.source.supersampling=1",
            "suite.rounds=1",
            "suite.invariance.items=0",
        ],
    }


@pytest.mark.parametrize("lifter_is_there", [True, False])
def test_the_map_of_planes_is_found(lifter_is_there):
    """There as in a stream; or of planes that a sampler drew there, before the lifter follows."""
    teacher = ToyTeacher(plane_resolution=16, depth_samples=8, importance_samples=8)
    lifter = builders.tiny_lifter(teacher, plane_resolution=16)
    planes = builders.level_sampler(teacher).to(torch.device(PRETEND)).planes(range(2)).planes
    code = calibrate(lifter.to(PRETEND) if lifter_is_there else lifter, planes)
    assert len(code) == 3 * teacher.passport.stored_channels


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(coverage, "DRAWN", 20)
    monkeypatch.setattr(camera_fit, "YAWS_DEG", (0,))
    monkeypatch.setattr(camera_fit, "PITCHES_DEG", (0,))
    monkeypatch.setattr(evaluate, "write_report", lambda output: None)  # reads files alone


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("suite", ["puppets", "puppets_hard", "teacher", "wild", "multiview"])
def test_every_suite_evaluates(untrained_student, photograph, tmp_path, suite):
    evaluate.main(
        compose(
            "evaluate",
            "device=pretend",
            f"checkpoint={untrained_student}",
            f"output={tmp_path / 'out'}",
            *TOY,
            "ceiling_identities=0",
            f"suite={suite}",
            "suite.cache=null" if suite != "teacher" else "seed=0",
            "methods=[student]",
            *suites(photograph.parent, tmp_path / "captures")[suite],
        )
    )
    assert (tmp_path / "out" / "results.json").is_file()
