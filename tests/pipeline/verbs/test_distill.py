"""The verb: killed in the middle and run again, it ends with the weights of a run that nothing
disturbed.
"""

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from pipeline.build.configuration import compose, free_keys, instantiate, to_plain
from pipeline.runs.complete_checkpoint import find_checkpoint
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs.distill import build_lifter, build_sampler, distill, main
from tests.builders import STUDENT_SETTINGS
from tests.pipeline.distillation.training_states import assert_same_state, assert_same_student

SMALL_RUN = [
    "teacher=untrained_tiny",
    *STUDENT_SETTINGS,
    "batch_size=2",
    "calibration_samples=4",
    "trainer.threads=1",
    "callbacks.validation.every_steps=8",
    "callbacks.validation.samples=2",
    "callbacks.preview.identities=1",
    "callbacks.preview.every_steps=100",
    "callbacks.state.every_steps=5",
]


def last_state(folder: Path) -> dict:
    return SafetensorsCheckpointIO().load_checkpoint(
        folder / "runs" / "distill" / "student" / "checkpoints" / "last"
    )


def test_weights_after_a_kill_and_resume_equal_those_of_an_undisturbed_run_bit_for_bit(
    tmp_path, fork_server
):
    def start(folder: str) -> int:
        (tmp_path / folder).mkdir(exist_ok=True)
        settings = (*SMALL_RUN, "trainer.max_steps=18")
        return fork_server.start("distill", *settings, output=tmp_path / folder / "log")

    undisturbed, victim = start("a"), start("b")
    run = tmp_path / "b" / "runs" / "distill" / "student"
    deadline = time.monotonic() + 200
    while find_checkpoint(run / "checkpoints" / "last") is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(victim, signal.SIGKILL)
    assert fork_server.wait(victim) == -signal.SIGKILL, (tmp_path / "b" / "log").read_text()
    killed_at = last_state(tmp_path / "b")["distillation"]["step"]
    assert 5 <= killed_at < 18
    for folder, process in (("b", start("b")), ("a", undisturbed)):
        assert fork_server.wait(process) == 0, (tmp_path / folder / "log").read_text()
    first, second = last_state(tmp_path / "a"), last_state(tmp_path / "b")
    assert_same_state(first, second)
    assert (first["distillation"]["step"], first["distillation"]["samples_seen"]) == (18, 36)
    assert_same_student(
        *(tmp_path / folder / "runs" / "distill" / "student" for folder in ("a", "b"))
    )


def test_a_run_with_another_configuration_is_refused_with_the_difference(tmp_path):
    config = compose("distill", *SMALL_RUN)
    with RunFolder(tmp_path / "run") as run:
        run.record(to_plain(config), free=free_keys(config))
        run.record(
            to_plain(
                compose(
                    "distill",
                    *SMALL_RUN,
                    "trainer.max_steps=7",
                    "logger=wandb",
                    "callbacks.preview.identities=2",
                )
            ),
            free=free_keys(config),
        )
        with pytest.raises(ValueError, match=r"loss\.image\.weight: 1\.0 → 0\.5"):
            run.record(
                to_plain(compose("distill", *SMALL_RUN, "loss.image.weight=0.5")),
                free=free_keys(config),
            )


@pytest.mark.parametrize("cameras", ["lp3d_ffhq", "lp3d_afhq", "puppets", "full_circle"])
@pytest.mark.parametrize("sampler", ["plain", "truncated", "near_frontal", "fast"])
def test_every_camera_and_sampler_configuration_draws_identities(cameras, sampler):
    config = compose("distill", "teacher=toy", f"cameras={cameras}", f"sampler={sampler}")
    draws = build_sampler(config, instantiate(config.teacher)).draw([0, 1])
    assert torch.isfinite(draws.reference.label()).all()
    assert (draws.novel.intrinsics[:, 0, 0] - 4.2647).abs().max() < 1e-3
    assert (draws.reference.intrinsics[:, 0, 0] - 4.2647).abs().max() > 1e-4


@pytest.mark.parametrize("sampler", ["diverse", "fast_diverse"])
def test_diverse_people_are_mixed_and_exaggerated(sampler):
    config = compose("distill", "teacher=untrained_tiny", *SMALL_RUN, f"sampler={sampler}")
    draws = build_sampler(config, instantiate(config.teacher)).draw(range(200))
    assert 0.6 < (draws.mixing.crossover < 1).float().mean() < 0.8
    assert draws.truncation.min() < 0.8 and draws.truncation.max() > 2.1


def test_diverse_is_for_every_teacher_and_its_fast_rendering_for_those_without_super_resolution():
    sizes = "image_resolution: 128, render_resolution: 64"
    large = f"teacher.configuration={{super_resolution: 2X, sr_latent: w_mean, {sizes}}}"
    small = ("teacher=untrained_tiny", "cameras=puppets", large)
    for sampler in ("diverse", "fast_diverse"):
        config = compose("distill", *small, f"sampler={sampler}")
        teacher = instantiate(config.teacher)
        if sampler == "diverse":
            assert build_sampler(config, teacher).rendering["novel"].changes == {}
        else:
            with pytest.raises(ValueError, match=r"at 32².*takes 64²"):
                build_sampler(config, teacher)


def test_the_students_planes_are_those_of_its_teacher():
    config = compose("distill", "teacher=untrained_tiny", *STUDENT_SETTINGS)
    teacher = instantiate(config.teacher)
    lifter = build_lifter(config, teacher)
    target = teacher.synthesize(teacher.mean_latent())
    assert lifter.lift(torch.zeros(1, 3, 32, 32)).planes.shape == target.planes.shape


def test_the_published_runs_have_the_published_sizes():
    config = to_plain(compose("distill", "experiment=lp3d_ffhq", "teacher.path=x"))
    assert (
        config["batch_size"],
        config["student"]["image_size"],
        config["trainer"]["max_steps"],
    ) == (32, 512, 250_000)
    assert (
        config["optimizer"]["learning_rate"],
        config["optimizer"]["transformer_learning_rate"],
    ) == (1e-4, 5e-5)
    cats = to_plain(compose("distill", "experiment=lp3d_afhq", "teacher.path=x", "start_from=y"))
    assert cats["cameras"]["reference"]["roll_deg"]["deviation"] == 6.0
    assert (
        cats["start_from_other_teacher"],
        cats["trainer"]["max_steps"] * 2 * cats["batch_size"],
    ) == (True, 5_000_000)
    for plain, identity in ((config, 1.0), (cats, 0.0)):
        first, second, third = plain["plan"]["stages"].values()
        assert [stage["steps"] for stage in (first, second, third)] == [30_000, 7_500, None]
        assert [stage["reference_every"] for stage in (first, second, third)] == [10, 2, 1]
        assert (first["adversarial"], second["adversarial"]) == (
            None,
            {"reference": 0.1, "novel": 0.025},
        )
        assert (
            third["adversarial"] == second["adversarial"] and third["weights"] == second["weights"]
        )
        assert {second["weights"][name] for name in ("image", "perceptual")} == {1.0}
        assert [second["weights"][name] for name in ("triplane", "feature", "identity")] == [
            0.01,
            0.0,
            identity,
        ]


@pytest.mark.slow
def test_the_published_run_makes_a_step_of_a_reduced_batch_with_random_weights(tmp_path):
    reduced = [
        "trainer=cpu",
        "trainer.max_steps=1",
        "batch_size=1",
        "callbacks.average.half_life=0",
    ]
    no_files = ["plan=one_stage", "loss=[triplane,image,feature]"]
    nothing_shown = ["callbacks.validation.samples=0", "callbacks.preview.identities=0"]
    config = compose(
        "distill",
        "experiment=lp3d_ffhq",
        "teacher=untrained",
        *no_files,
        *reduced,
        *nothing_shown,
        f"paths.run={tmp_path}",
    )
    distill(config, RunFolder(tmp_path))
    state = SafetensorsCheckpointIO().load_checkpoint(tmp_path / "checkpoints" / "last")
    assert state["distillation"]["step"] == 1
    assert all(torch.isfinite(value).all() for value in state["state_dict"].values())
    assert (
        max(path.stat().st_size for path in (tmp_path / "checkpoints" / "last").iterdir())
        < 16_000_000
    )


def test_a_training_that_goes_on_from_another_teacher_s_student_needs_it(tmp_path):
    settings = ("experiment=lp3d_afhq", "teacher.path=x", f"paths.run={tmp_path / 'run'}")
    with pytest.raises(ValueError, match=r"start_from is null.* give start_from=FILE"):
        main(compose("distill", *settings))
    assert not (tmp_path / "run").exists()
