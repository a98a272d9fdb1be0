"""Stage 1 trains the encoder and nothing else, on the right identities, and can be stopped and
continued.
"""

import dataclasses
import math
import os
import signal

import pytest
import torch
from lightning import Callback, Trainer

from pipeline.distillation.ema import ExponentialAverage
from pipeline.distillation.execution import Execution
from pipeline.distillation.held_out import HeldOutScores
from pipeline.distillation.meters import Meters
from pipeline.distillation.module import Distillation
from pipeline.distillation.network_training import NetworkSettings
from pipeline.distillation.optimizer import StudentOptimizer
from pipeline.distillation.plan import Stage, TrainingPlan
from pipeline.distillation.previews import Previews
from pipeline.lifter import Lifter
from pipeline.losses.depth import DepthLoss
from pipeline.losses.image import ImageLoss
from pipeline.losses.triplane import TriplaneLoss
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.runs.state_keeper import StateKeeper
from pipeline.sampling.calibration import calibrate
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from teachers.toy import ToyTeacher
from teachers.untrained import untrained_teacher
from tests.builders import eg3d_settings, level_sampler, tiny_lifter
from tests.pipeline.distillation.short_training import fit

TINY_EG3D = eg3d_settings(32, plane_channels=16, depth_samples=6, importance_samples=6)


def toy() -> ToyTeacher:
    return ToyTeacher(plane_resolution=16, depth_samples=8, importance_samples=8, sharpness=60.0)


def plan_of(losses: dict, reference_every: int = 10) -> TrainingPlan:
    return TrainingPlan([Stage("reconstruction", 0, None, reference_every, WeightedSum(losses))])


def module_of(teacher=None, batch_size: int = 2, **changes) -> Distillation:
    teacher = teacher or toy()
    return Distillation(
        **{
            "lifter": tiny_lifter(teacher, plane_resolution=16),
            "source": level_sampler(teacher),
            "plan": plan_of(
                {"triplane": TriplaneLoss(), "image": ImageLoss(), "depth": DepthLoss()}
            ),
            "optimizer": StudentOptimizer(learning_rate=2e-3, transformer_learning_rate=1e-3),
            "batch_size": batch_size,
            "gradient_clip": 1.0,
            **changes,
        }
    )


class Watch(Callback):
    """Notes which samples a module draws, and in which mode the teacher is."""

    def __init__(self) -> None:
        self.samples: list[int] = []

    def on_fit_start(self, trainer, module) -> None:
        draw = module.source.draw

        def noted(samples):
            self.samples += samples
            return draw(samples)

        module.source.draw = noted


@pytest.fixture
def teacher():
    return untrained_teacher(TINY_EG3D)


def test_the_teacher_is_neither_trained_nor_saved_nor_in_training_mode(teacher):
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    module = module_of(teacher)
    trainer = fit(module)
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert not teacher.training
    assert not any(
        parameter.requires_grad or parameter.grad is not None for parameter in teacher.parameters()
    )
    teacher_tensors = {id(tensor) for tensor in teacher.state_dict(keep_vars=True).values()}
    assert not any(
        id(p) in teacher_tensors
        for group in trainer.optimizers[0].param_groups
        for p in group["params"]
    )
    assert not any(
        id(tensor) in teacher_tensors for tensor in module.state_dict(keep_vars=True).values()
    )
    assert {name.split(".")[1] for name in module.state_dict()} == {"encoder", "renderer"}


def test_every_encoder_weight_learns_and_the_renderer_stays(teacher):
    module = module_of(teacher)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    fit(module)
    changed = {
        name for name, value in module.state_dict().items() if not torch.equal(value, before[name])
    }
    assert {
        name for name, _ in module.lifter.encoder.named_parameters(prefix="lifter.encoder")
    } == changed


def test_steps_draw_consecutive_identities_and_never_a_held_out_one(tmp_path):
    module, watch = module_of(), Watch()
    fit(module, watch)
    assert watch.samples == [0, 1, 2, 3, 4, 5]
    assert max(watch.samples) < FIRST_HELD_OUT
    assert (module.step, module.samples_seen) == (3, 6)


def test_the_student_gets_better_at_identities_it_has_never_seen(tmp_path):
    module = module_of(batch_size=4)
    calibrate(module.lifter.encoder, module.source, samples=16)
    scores = HeldOutScores(
        sampler=module.source.for_scores(9),
        student_path=tmp_path / "student.safetensors",
        every_steps=1000,
        samples=4,
    )
    untrained = scores._scores(Trainer(logger=False, accelerator="cpu"), module)["validation/loss"]
    fit(module, scores, max_steps=20)
    assert scores.last < 0.9 * untrained
    assert Lifter.load(tmp_path / "student.safetensors").step == 20


def test_a_run_that_is_cut_by_its_clock_has_a_student_of_its_last_step(tmp_path):
    class Clock(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            trainer.should_stop = module.step == 3

    module = module_of()
    scores = HeldOutScores(
        sampler=module.source,
        student_path=tmp_path / "student.safetensors",
        every_steps=1000,
        samples=1,
    )
    fit(module, Clock(), scores, max_steps=50)
    assert module.step == 3 and math.isfinite(scores.last)
    assert Lifter.load(tmp_path / "student.safetensors").step == 3


def test_a_score_that_a_clock_asks_for_is_in_the_state(tmp_path):
    class Clock(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            trainer.should_stop = module.step == 2

    def scores(module) -> HeldOutScores:
        path = tmp_path / "student.safetensors"
        return HeldOutScores(sampler=module.source, student_path=path, every_steps=9, samples=1)

    first, again = module_of(), module_of()
    before, after = scores(first), scores(again)
    state = tmp_path / "state"
    fit(first, Clock(), before, StateKeeper(state, every_steps=2), max_steps=50)
    fit(again, after, max_steps=2, state=state)
    assert after.best == before.best < math.inf


def test_a_first_score_that_is_no_number_does_not_stay_the_best(tmp_path, monkeypatch):
    module = module_of()
    path = tmp_path / "student.safetensors"
    scores = HeldOutScores(sampler=module.source, student_path=path, every_steps=1, samples=1)
    found = iter([math.nan, 0.5, 0.6])
    monkeypatch.setattr(scores, "_scores", lambda trainer, module: {"validation/loss": next(found)})
    fit(module, scores, max_steps=3)
    assert scores.best == 0.5 and Lifter.load(path).step == 2


def test_a_fused_adam_goes_on_in_the_layout_of_its_weights(tmp_path):
    changes = {
        "optimizer": StudentOptimizer(learning_rate=2e-3, fused=True),
        "execution": Execution(channels_last=True),
    }
    whole, half, rest = (module_of(**changes) for _ in range(3))
    for other in (half, rest):
        other.lifter.load_state_dict(whole.lifter.state_dict())
    fit(whole, max_steps=4)
    fit(half, StateKeeper(tmp_path / "state", every_steps=2), max_steps=2)
    fit(rest, max_steps=4, state=tmp_path / "state")
    for one, other in zip(*(m.lifter.encoder.parameters() for m in (whole, rest)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_a_group_that_two_rules_update_has_one_gradient_norm():
    module = module_of(optimizer=StudentOptimizer(learning_rate=2e-3, muon=True))
    gradients: list[dict[str, float]] = []

    class Noted(Meters):
        def on_after_backward(self, trainer, module):
            super().on_after_backward(trainer, module)
            names = {
                id(parameter): group["name"]
                for group in trainer.optimizers[0].param_groups
                for parameter in group["params"]
            }
            squares = dict.fromkeys(names.values(), 0.0)
            for parameter in module.lifter.encoder.parameters():
                if parameter.grad is not None:
                    squares[names[id(parameter)]] += float(parameter.grad.square().sum())
            gradients.append({name: value**0.5 for name, value in squares.items() if value})
            assert self._norms == pytest.approx(gradients[-1], rel=1e-4)

    fit(module, Noted(every_steps=1), max_steps=1)
    assert len(gradients) == 1 and {"transformers", "others"} <= gradients[0].keys()


@pytest.mark.parametrize("total_steps", [0, -1])
def test_rates_that_would_fall_in_no_step_are_refused(total_steps):
    with pytest.raises(ValueError, match=r"give trainer\.max_steps"):
        StudentOptimizer(total_steps=total_steps)
    with pytest.raises(ValueError, match=r"give trainer\.max_steps"):
        NetworkSettings(network={}, learning_rate=1e-3, total_steps=total_steps)


def test_held_out_scores_do_not_depend_on_the_batch(tmp_path):
    module = module_of()
    trainer = Trainer(logger=False, accelerator="cpu")
    sampler = module.source.for_scores(1)
    first, second = (
        HeldOutScores(
            sampler=sampler, student_path=tmp_path / "x", samples=6, batch_size=size
        )._scores(trainer, module)
        for size in (2, 6)
    )
    assert (
        first.keys()
        == second.keys()
        == {
            "validation/loss",
            "validation/psnr_reference",
            "validation/psnr_novel",
            "validation/ssim_novel",
            "validation/depth_error_weighted",
        }
    )
    for name in ("validation/psnr_reference", "validation/psnr_novel"):
        assert first[name] == pytest.approx(second[name], rel=1e-4)
    for name in ("validation/loss", "validation/depth_error_weighted"):
        assert first[name] == pytest.approx(second[name], rel=1e-4)


def compare(module: Distillation, prediction, identities, views=("novel", "reference")):
    return module.compare(
        prediction, module.render_views(prediction, identities, views), identities, module.losses
    )[0]


def test_the_reference_view_counts_every_k_th_step_only():
    module = module_of(
        plan=plan_of({"triplane": TriplaneLoss(), "image": ImageLoss()}, reference_every=3)
    )
    assert [len(module.plan.stages[0].views(step)) for step in range(7)] == [2, 1, 1, 2, 1, 1, 2]
    identities = module.source([0, 1])
    prediction = module.lift(identities.image)
    without, with_reference = (
        compare(module, prediction, identities, views).item()
        for views in (("novel",), ("novel", "reference"))
    )
    reference = module.losses.view(
        module.render_view(prediction, identities, "reference"), identities.reference.rendering
    )
    assert with_reference - without == pytest.approx(
        module.losses.total(reference).item(), rel=1e-4
    )


def test_the_teachers_own_planes_have_no_loss(teacher):
    module = module_of(teacher)
    identities = module.source([3, 4])
    assert compare(module, identities.triplane, identities).item() < 1e-5


def test_two_ranks_together_have_the_gradient_of_one():
    gradients = []
    for shares in ([[0, 1, 2, 3]], [[0, 2], [1, 3]]):
        module = module_of(plan=plan_of({"triplane": TriplaneLoss(), "image": ImageLoss()}))
        for numbers in shares:
            identities = module.source(numbers)
            (compare(module, module.lift(identities.image), identities) / len(shares)).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in module.lifter.encoder.parameters()]))
    assert torch.allclose(*gradients, atol=1e-5 * gradients[0].abs().max().item())


def test_calibration_gives_the_encoder_the_statistics_of_the_teachers_planes(teacher):
    module = module_of(teacher)
    calibrate(module.lifter.encoder, module.source, samples=8, batch_size=3)
    planes = module.source.planes(range(8)).planes.permute(1, 2, 0, 3, 4).flatten(0, 1).flatten(1)
    head = module.lifter.encoder.plane_head
    assert torch.allclose(head.plane_mean, planes.mean(1), atol=1e-4)
    assert torch.allclose(head.plane_scale, planes.std(1, correction=0), atol=1e-3)


class SignalAfter(Callback):
    """This process gets a signal during a step."""

    def __init__(self, step: int, number: signal.Signals) -> None:
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        if module.step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope="module")
def straight() -> Distillation:
    """After five steps without an interruption."""
    module = module_of(untrained_teacher(TINY_EG3D))
    fit(module, ExponentialAverage(), max_steps=5)
    return module


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_step_and_stops_and_the_run_continues_to_the_same_weights(
    tmp_path, teacher, straight, number
):
    stopped = module_of(teacher)
    with pytest.raises(SystemExit):
        fit(
            stopped,
            SignalAfter(1, number),
            ExponentialAverage(),
            StateKeeper(tmp_path / "last", every_steps=100),
            max_steps=5,
        )
    assert stopped.step == 2
    assert "StopSignals" not in str([signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)])
    continued, watch = module_of(teacher), Watch()
    fit(continued, watch, ExponentialAverage(), max_steps=5, state=tmp_path / "last")
    assert watch.samples == [4, 5, 6, 7, 8, 9]
    for name, value in straight.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name


def test_another_teacher_cannot_continue_a_run(tmp_path, teacher):
    fit(module_of(teacher), StateKeeper(tmp_path / "last"), max_steps=1)
    with pytest.raises(ValueError, match="do not belong together"):
        fit(module_of(untrained_teacher(TINY_EG3D, seed=1)), state=tmp_path / "last", max_steps=2)


def test_a_continued_run_is_still_under_the_licence_of_the_student_that_it_started_from(tmp_path):
    first, continued = module_of(), module_of()
    first.lifter.passport = dataclasses.replace(first.lifter.passport, licence="two licences")
    fit(first, StateKeeper(tmp_path / "last"), max_steps=1)
    fit(continued, state=tmp_path / "last", max_steps=2)
    assert continued.lifter.passport.licence == "two licences"


def test_another_batch_size_cannot_continue_a_run(tmp_path):
    fit(module_of(), StateKeeper(tmp_path / "last"))
    with pytest.raises(ValueError, match="former batch_size"):
        fit(module_of(batch_size=4), state=tmp_path / "last", max_steps=5)


def test_the_average_lags_behind_the_weights_and_is_what_is_shipped(tmp_path):
    module, average = module_of(), ExponentialAverage(half_life=10, ramp_up=1.0)
    scores = HeldOutScores(
        sampler=module.source,
        student_path=tmp_path / "student.safetensors",
        every_steps=4,
        samples=1,
    )
    start = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    fit(module, average, scores, max_steps=4)
    own = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    with average.applied(module):
        inside = {
            name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad
        }
    way, lag = (
        sum((own[name] - other[name]).abs().sum() for name in own) for other in (start, inside)
    )
    assert 0 < lag < way
    assert all(
        torch.equal(own[name], p) for name, p in module.named_parameters() if p.requires_grad
    )
    shipped = Lifter.load(tmp_path / "student.safetensors").state_dict()
    assert all(
        torch.equal(shipped[name.removeprefix("lifter.")], value) for name, value in inside.items()
    )


def test_previews_show_the_same_identities_before_and_after(tmp_path):
    module = module_of()
    previews = Previews(
        sampler=module.source,
        folder=tmp_path / "previews",
        every_steps=2,
        identities=2,
        views_deg=[0.0],
    )
    fit(module, previews, max_steps=3)
    assert sorted(path.name for path in (tmp_path / "previews").iterdir()) == [
        f"step-{n:07d}.png" for n in (0, 2, 3)
    ]


def test_learning_rates_are_those_of_the_paper_and_follow_the_step():
    module = module_of(
        optimizer=StudentOptimizer(warmup_steps=10, total_steps=100, final_factor=0.1)
    )
    [optimizer] = module.configure_optimizers()
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert (groups["others"]["lr"], groups["transformers"]["lr"]) == (1e-4, 5e-5)
    blocks = [m for m in module.lifter.encoder.modules() if type(m).__name__ == "SegformerBlock"]
    assert (
        len(groups["transformers"]["params"])
        == sum(len(list(block.parameters())) for block in blocks)
        > 0
    )
    assert sum(len(group["params"]) for group in groups.values()) == len(
        list(module.lifter.encoder.parameters())
    )
    factors = [module.optimizer_settings.factor(step) for step in (0, 9, 50, 100, 200)]
    assert factors[0] == pytest.approx(0.1, rel=1e-2)
    assert factors[1] == pytest.approx(1.0, abs=0.03)
    assert factors[2:] == pytest.approx([0.55, 0.1, 0.1], abs=1e-6)
