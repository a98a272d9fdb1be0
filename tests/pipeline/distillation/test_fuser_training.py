"""A fuser learns from films of turning puppets; the student stays as it is."""

import copy
import json
import shutil
from dataclasses import replace

import pytest
import torch

from pipeline.build.beside import without_encoder_settings
from pipeline.build.configuration import compose, reduced_precision
from pipeline.build.fusion import build_fuser, fuser_parts
from pipeline.distillation.fuser_scores import turn_scores
from pipeline.distillation.fuser_training import FuserSettings, FuserTraining, LiftedTurn
from pipeline.fusion import TrainedFuser
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.losses.image import ImageLoss
from pipeline.losses.triplane import TriplaneLoss
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs import distill
from pipeline.worlds.splits import Split
from pipeline.worlds.turns import TurnSource
from teachers.toy import ToyTeacher
from tests.builders import tiny_lifter

FILMS = TurnSource(frames=4, resolution=64, views=2, supersampling=1, least_yaw_deg=45)
NETWORK = {"width": 8, "hidden": 4}


@pytest.fixture(scope="module")
def lifter() -> Lifter:
    return Lifter.load(student_file("bundled/puppets_tiny")).requires_grad_(False)


@pytest.fixture(scope="module")
def turn():
    return FILMS(0)


def training(lifter, **network) -> FuserTraining:
    torch.manual_seed(0)
    arguments = {**NETWORK, **network}
    return FuserTraining(
        trained=TrainedFuser.untrained(lifter.passport, **arguments),
        lifter=lifter,
        losses=WeightedSum({"triplane": TriplaneLoss(), "image": ImageLoss()}),
        settings=FuserSettings(network=arguments, films=FILMS, render_side=16),
    )


def test_a_few_updates_on_one_film_bring_its_loss_down(lifter, turn):
    module = training(lifter)
    film = LiftedTurn.of(turn, lifter)
    optimizer, losses = torch.optim.Adam(module.fuser.parameters(), lr=2e-3), []
    for _ in range(12):
        loss, terms = module.compare(film)
        losses.append(float(loss))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.94 * losses[0]
    assert set(terms) == {"triplane", "image", "hidden", "undistortion"}
    assert not any(name.startswith("lifter") for name in module.state_dict())
    assert not any(weight.requires_grad for weight in lifter.parameters())


def test_memory_by_visibility_alone_shows_the_hidden_side_better_and_calms_the_film(lifter, turn):
    turns = [turn, *map(FILMS, range(1, 4))]  # one film in three has nothing to gain
    alone, fused = (
        turn_scores(turns, lifter, fuser)
        for fuser in (None, TrainedFuser.untrained(lifter.passport).network)
    )
    assert fused["hidden_psnr"] > alone["hidden_psnr"] + 0.15
    assert fused["jitter"] < alone["jitter"]
    assert {"visible_psnr", "features_error"} <= set(alone) and "painted_psnr" not in alone


def test_the_truth_itself_has_no_error(lifter, turn):
    """A renderer that shows the targets: what is measured is the difference from them."""
    perfect, calls = copy.copy(lifter), iter(turn.targets.flatten(0, 1).split(1))

    def render(triplane, camera, jitter=None):
        return replace(lifter.render(triplane, camera), image=next(calls))

    perfect.render = render
    scores = turn_scores([turn], perfect, None)
    assert scores["hidden_psnr"] > 100 and scores["jitter"] == 0


def test_the_truth_itself_has_no_error_in_larger_views_either(lifter, turn):
    """A student's views may be larger than its input, whose size the truth has."""
    large, calls = copy.copy(lifter), iter(turn.targets.flatten(0, 1).split(1))

    def render(triplane, camera, jitter=None):
        target = next(calls)
        plain = target.mean((2, 3), keepdim=True).expand(-1, -1, 128, 128)
        return replace(lifter.render(triplane, camera), image=plain)

    large.render = render
    flat = turn.targets.mean((3, 4), keepdim=True).expand_as(turn.targets)
    assert turn_scores([replace(turn, targets=flat)], large, None)["hidden_psnr"] > 80


@pytest.fixture(scope="module")
def black_student(tmp_path_factory):
    """The file of an untrained student of 32² images whose teacher draws black behind heads."""
    small = tiny_lifter(ToyTeacher(resolution=16, depth_samples=8, importance_samples=0))
    small.passport = replace(small.passport, background="black", focal=3.0, camera_radius=2.5)
    path = tmp_path_factory.mktemp("black") / "student.safetensors"
    small.save(path)
    return path


def test_films_have_the_students_image_size_and_its_teachers_background_and_cameras(
    tmp_path, black_student
):
    settings = ("experiment=fuser", "fuser.films={frames:4}", "callbacks.validation.samples=1")
    for student, side, level, focal, radius in (
        (black_student, 32, -1.0, 3.0, 2.5),
        ("bundled/puppets_tiny", 64, 1.0, 4.2647, 2.7),
    ):
        config = compose("distill", *settings, f"start_from={student}")
        parts = fuser_parts(config, RunFolder(tmp_path))
        (trained,) = parts.data.draw([0], torch.device("cpu"))
        held_out = parts.scores.films(0)
        for film in (trained, held_out):
            assert film.images.shape[-2:] == film.targets.shape[-2:] == (side, side)
            for camera in (film.camera, film.target_camera):
                assert (camera.intrinsics[:, 0, 0] == focal).all()
                distance = camera.cam_to_world[:, :3, 3].norm(dim=1)
                assert torch.allclose(distance, torch.full_like(distance, radius))
            behind = film.opacity == 0
            assert behind.any() and (film.images.masked_select(behind) == level).all()
        assert parts.scores.films.split is Split.VALIDATE
        assert "hidden_psnr" in parts.scores.scores(parts.module)


@pytest.mark.parametrize("given", ["resolution=32", "focal=3.0"])
def test_films_have_no_other_size_or_cameras(tmp_path, given):
    config = compose("distill", "experiment=fuser", f"+fuser.films.{given}")
    name = given.partition("=")[0]
    with pytest.raises(ValueError, match=rf"fuser\.films has {name}: .* leave it out"):
        fuser_parts(config, RunFolder(tmp_path))


@pytest.mark.parametrize(
    "fuser", ["recurrent", "no_undistortion", "no_visibility", "no_recurrence"]
)
def test_each_ablation_is_one_setting(fuser):
    network = compose("distill", "experiment=fuser", f"fuser={fuser}").fuser.network
    whole = {"undistorts": True, "sees": True, "hidden": 16}
    changed = {name for name, value in whole.items() if network[name] != value}
    assert len(changed) == (fuser != "recurrent")


def test_distill_trains_a_fuser_goes_on_and_keeps_the_best(tmp_path, capsys):
    settings = (
        "experiment=fuser",
        f"paths.run={tmp_path}",
        "trainer.threads=1",
        "kernels=readable",
        "batch_size=1",
        "callbacks.validation.samples=1",
        "callbacks.validation.every_steps=1",
        "callbacks.state.every_steps=1",
        "fuser.films={frames:2,views:1}",
        "fuser.network.width=8",
        "fuser.network.hidden=4",
        "fuser.render_side=16",
        "fuser.total_steps=2",
    )
    config = compose("distill", *settings, "trainer.max_steps=1")
    distill.main(config)
    first = TrainedFuser.load(tmp_path / "fuser.safetensors")
    recorded = json.loads((tmp_path / "config.json").read_text())
    recorded["trainer"]["bfloat16"] = recorded["optimizer"]["fused"] = True
    (tmp_path / "config.json").write_text(json.dumps(recorded))  # as earlier versions ignored them
    config.trainer.max_steps = 2
    distill.main(config)
    assert TrainedFuser.load(tmp_path / "fuser.safetensors").step in (1, 2) and first.step == 1
    logs = "".join(path.read_text() for path in (tmp_path / "metrics").rglob("metrics.csv"))
    assert "validation/jitter" in logs
    config.dry_run = True
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    distill.main(config)
    said = capsys.readouterr().out
    assert "the run: 2 steps in" in said and "fuser" in said and "sheets" not in said
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    config.replay = 3
    with pytest.raises(ValueError, match="training has no replay"):
        distill.main(config)
    for ignored in (
        ("data=latent_shards", "data.path=nowhere"),
        ("optimizer=muon_short",),
        ("trainer.accumulate=2",),
    ):
        with pytest.raises(ValueError, match=r"training has no (data|optimizer|trainer)"):
            distill.main(compose("distill", *settings, *ignored))
    student = tmp_path / "other.safetensors"
    shutil.copy(student_file("bundled/puppets_tiny"), student)
    with pytest.raises(ValueError, match="start_from:"):
        distill.main(compose("distill", *settings, f"start_from={student}"))


@pytest.mark.parametrize(
    "given",
    [
        "trainer.bfloat16=true",
        "trainer.channels_last=true",
        "trainer.checkpoints_activations=true",
        "trainer.compile=true",
        "trainer.overlap=false",
        "optimizer.learning_rate=1e-2",
    ],
)
@pytest.mark.parametrize("experiment", ["fuser", "proposals"])
def test_what_only_a_students_encoder_has_is_refused_by_name(experiment, given, tmp_path):
    config = compose("distill", f"experiment={experiment}", f"paths.run={tmp_path / 'run'}", given)
    with pytest.raises(ValueError, match=f"training has no {given.partition('=')[0]} "):
        distill.main(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("trainer", ["gpu", "two_nodes"])
def test_the_precision_of_a_trainer_for_gpus_is_neither_required_nor_recorded(trainer):
    config = compose("distill", "experiment=fuser", f"trainer={trainer}")
    assert config.trainer.bfloat16 and reduced_precision(config) == []
    distill.require_alone(config)
    assert not without_encoder_settings(config).trainer.bfloat16 and config.trainer.bfloat16
    assert reduced_precision(compose("distill", f"trainer={trainer}")) == ["trainer.bfloat16"]


def test_one_network_is_trained_at_a_time(tmp_path):
    config = compose("distill", "experiment=fuser", "proposals=light", f"paths.run={tmp_path}/run")
    with pytest.raises(ValueError, match="fuser and proposals are given"):
        distill.main(config)


@pytest.mark.parametrize(
    "given, words",
    [
        ("loss=[triplane,image,depth]", "loss has depth: films have neither"),
        ("loss=[image,feature]", "loss has feature: films have neither"),
        ("plan=planes_then_pictures", "a fuser is trained in one, take plan=one_stage"),
    ],
)
def test_losses_and_stages_that_a_fuser_cannot_have_are_refused(given, words):
    config = compose("distill", "experiment=fuser", given)
    with pytest.raises(ValueError, match=words):
        build_fuser(config)
