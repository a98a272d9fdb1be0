"""A student whose views are rendered from coded planes, and whose bits are a loss."""

import copy

import pytest
import torch

from pipeline.build import plane_codec as building
from pipeline.build.configuration import compose
from pipeline.distillation.module import Distillation
from pipeline.distillation.optimizer import StudentOptimizer
from pipeline.distillation.plan import Stage, TrainingPlan
from pipeline.distillation.plane_codec import PlaneCodec, turned
from pipeline.distillation.replay import replay
from pipeline.lifter import Lifter
from pipeline.losses.image import ImageLoss
from pipeline.losses.triplane import TriplaneLoss
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.sampling.distributions import Fixed, Uniform
from pipeline.streaming.normalisation import Normalisation
from pipeline.verbs import distill
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher
from teachers.untrained import untrained_teacher
from tests.builders import eg3d_settings, level_sampler, tiny_lifter
from tests.pipeline.distillation.conftest import SMALL_RUN
from tests.pipeline.distillation.short_training import fit


def module_of(teacher=None, **changes) -> Distillation:
    """Of a toy teacher; `changes` of its codec."""
    teacher = teacher or ToyTeacher(
        plane_resolution=16, depth_samples=8, importance_samples=8, sharpness=60.0
    )
    lifter = tiny_lifter(teacher, plane_resolution=16)
    channels = 3 * teacher.passport.stored_channels
    codec = {
        "quality": Uniform(low=4.0, high=20.0),
        "yaw_deg": Uniform(low=-10.0, high=10.0),
        "pitch_deg": Fixed(value=0.0),
        "picture_weight": 0.1,
        "change_weight": 1.0,
        "trains_decoder": False,
        "code": Normalisation.affine((50.0,) * channels, (0.0,) * channels),
        "renderer": copy.deepcopy(teacher.renderer).requires_grad_(False),
        "pivot": teacher.passport.camera_pivot,
        "seed": 0,
    }
    losses = WeightedSum({"triplane": TriplaneLoss(), "image": ImageLoss()})
    return Distillation(
        lifter=lifter,
        source=level_sampler(teacher),
        plan=TrainingPlan([Stage("reconstruction", 0, None, 10, losses)]),
        optimizer=StudentOptimizer(learning_rate=2e-3, transformer_learning_rate=1e-3),
        batch_size=2,
        gradient_clip=1.0,
        codec=PlaneCodec(**{**codec, **changes}),
    )


@pytest.fixture(scope="module")
def batch():
    return module_of().source([3, 4])


def test_a_turned_camera_is_that_of_the_other_angle():
    yaw, pitch, more = torch.tensor([0.3, -0.2]), torch.tensor([0.1, 0.2]), torch.tensor([0.2, 0.1])
    for pivot in ((0.0, 0.0, 0.0), (0.0, 0.3, 0.2)):
        camera = turned(Camera.orbit(yaw, pitch), more, more * 0, pivot)
        distance = [
            (one.cam_to_world[:, :3, 3] - torch.tensor(pivot)).norm(dim=1)
            for one in (camera, Camera.orbit(yaw, pitch))
        ]
        assert torch.allclose(*distance, atol=1e-5)
    for moved, angles in (
        (turned(Camera.orbit(yaw, pitch), more, more * 0, (0.0, 0.0, 0.0)), (yaw + more, pitch)),
        (turned(Camera.orbit(yaw, pitch), more * 0, more, (0.0, 0.0, 0.0)), (yaw, pitch + more)),
    ):
        assert torch.allclose(moved.cam_to_world, Camera.orbit(*angles).cam_to_world, atol=1e-5)


def test_a_head_that_stands_still_before_a_fine_codec_is_seen_as_it_is(batch):
    module = module_of(quality=Fixed(value=-60.0), yaw_deg=Fixed(value=0.0))
    with torch.no_grad():
        prediction = module.lift(batch.image)
        coded = module.coded(prediction, batch)
    assert torch.allclose(coded.triplane.planes, prediction.planes, atol=1e-2)
    # the second frame is the first, up to the rounding of another rendering
    assert coded.terms["bits/change"] < 0.05 * coded.terms["bits/picture"]


def test_a_coarser_codec_leaves_less_of_the_planes_for_fewer_bits(batch):
    seen = {}
    for quality in (4.0, 24.0):
        module = module_of(quality=Fixed(value=quality), yaw_deg=Fixed(value=0.0))
        with torch.no_grad():
            prediction = module.lift(batch.image)
            coded = module.coded(prediction, batch)
        error = (coded.triplane.planes - prediction.planes).square().mean()
        seen[quality] = float(error), float(coded.terms["bits/picture"])
        weighted = 0.1 * coded.terms["bits/picture"] + coded.terms["bits/change"]
        assert float(coded.loss) == pytest.approx(float(weighted))
    assert seen[4.0][0] < seen[24.0][0] and seen[4.0][1] > seen[24.0][1]


def test_what_a_sample_meets_follows_from_its_number(batch):
    module = module_of()
    with torch.no_grad():
        together = module.coded(module.lift(batch.image), batch).triplane.planes
        second = batch.split(2)[1]
        alone = module.coded(module.lift(second.image), second).triplane.planes
    assert torch.allclose(together[1:], alone, atol=1e-3)


@pytest.mark.parametrize("trains_decoder", [False, True])
def test_a_step_trains_the_encoder_and_the_decoder_where_it_is_said(trains_decoder):
    teacher = untrained_teacher(eg3d_settings(32, plane_channels=16))
    module = module_of(teacher, trains_decoder=trains_decoder)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    fit(module, max_steps=1)
    changed = {
        name.split(".")[1]
        for name, value in module.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == ({"encoder", "renderer"} if trains_decoder else {"encoder"})
    assert not any(weight.requires_grad for weight in module.codec.renderer.parameters())
    # a score without bits can't choose the student
    assert not module.keeps_best and Distillation.keeps_best


def test_a_replay_has_the_codecs_losses_and_its_views():
    module = module_of()
    replayed = replay(module, 3, step=0)
    batch = module.source([3])
    prediction = module.lift(batch.image)
    coded = module.coded(prediction, batch)
    views = module.render_views(coded.triplane, batch, ("reference", "novel"))
    loss, _ = module.compare(prediction, views, batch, module.plan.at(0).losses)
    assert coded.terms.keys() <= replayed.losses.keys()
    assert replayed.losses["loss"] == pytest.approx((loss + coded.loss).item(), rel=1e-5)


def test_processes_look_for_parts_of_a_trained_decoder_that_no_view_needs():
    assert module_of(trains_decoder=True).ddp_strategy == "ddp_find_unused_parameters_true"
    assert module_of().ddp_strategy == "ddp"


def test_without_a_codec_views_are_rendered_from_the_planes_themselves(batch):
    module = module_of()
    module.codec = None
    prediction = module.lift(batch.image)
    coded = module.coded(prediction, batch)
    assert coded.triplane is prediction and coded.loss == 0 and not coded.terms


def test_distill_writes_the_map_of_the_finished_student(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "IDENTITIES", 8)
    monkeypatch.setattr(building, "TEACHERS", 2)
    settings = (
        *SMALL_RUN,
        "plane_codec=h264",
        "loss=[triplane,image,total_variation]",
        "kernels=readable",
        f"paths.run={tmp_path}",
        "callbacks.validation.samples=1",
        "trainer.log_every=1",
        "trainer.max_steps=1",
    )
    distill.main(compose("distill", *settings))
    code = Normalisation.read(tmp_path / "student.planes.json")
    planes = Lifter.load(tmp_path / "student.safetensors").passport.stored_channels * 3
    assert len(code) == planes
    logs = "".join(path.read_text() for path in (tmp_path / "metrics").rglob("metrics.csv"))
    assert "train/bits/change" in logs and "train/total_variation" in logs


def test_inputs_that_were_altered_are_refused():
    module = module_of()
    config = compose("distill", *SMALL_RUN, "plane_codec=h264", "photometric=photographs")
    with pytest.raises(ValueError, match=r"use photometric=none sampler\.background=teacher"):
        building.build_plane_codec(config, module.lifter, module.source)
    config.plane_codec = None
    assert building.build_plane_codec(config, module.lifter, module.source) is None


def test_the_map_of_other_planes_is_refused(tmp_path):
    module = module_of()
    student = tmp_path / "student.safetensors"
    module.lifter.save(student)
    Normalisation.affine((1.0,) * 9, (0.0,) * 9).save(tmp_path / "student.planes.json")
    config = compose("distill", *SMALL_RUN, "plane_codec=h264", f"start_from={student}")
    with pytest.raises(ValueError, match="is of 9 channels, the planes have"):
        building.build_plane_codec(config, module.lifter, module.source)
