"""Stage 2 trains the student whole, its adversary besides, and never the teacher."""

import copy
import dataclasses
import logging
import subprocess
import sys

import pytest
import torch
from lightning import Trainer

from pipeline.distillation.adversarial import AdversarialDistillation
from pipeline.distillation.adversary import Adversary, AdversarySettings
from pipeline.distillation.data_module import SampledBatches
from pipeline.distillation.ema import ExponentialAverage
from pipeline.distillation.execution import Execution
from pipeline.distillation.held_out import HeldOutScores
from pipeline.distillation.module import Distillation
from pipeline.distillation.optimizer import StudentOptimizer
from pipeline.distillation.plan import Stage, TrainingPlan
from pipeline.lifter import Lifter
from pipeline.losses.balance import Balance
from pipeline.losses.image import ImageLoss
from pipeline.losses.triplane import TriplaneLoss
from pipeline.losses.weighted_sum import WeightedSum
from teachers.eg3d.discriminator import Discriminator, RenderingInput, discriminator_input
from teachers.rendering.rendering import Rendering
from teachers.untrained import untrained_teacher
from tests.builders import (
    eg3d_settings,
    level_sampler,
    process_environment,
    student_arguments,
    tiny_discriminator,
    tiny_lifter,
)
from tests.pipeline.distillation.short_training import fit

SIZE = {"plane_channels": 8, "plane_resolution": 16}


def critic(channels: int = 4) -> Discriminator:
    return tiny_discriminator(32, channels, seed=1)


def adversary_of(teacher, **settings) -> Adversary:
    return Adversary(
        discriminator=critic(),
        passport=teacher.passport,
        settings=AdversarySettings(**{"r1_every": 2, **settings}),
    )


@pytest.fixture
def teacher():
    return untrained_teacher(eg3d_settings(32, background="matte"))


def module_of(teacher, *, weights=None, **changes) -> AdversarialDistillation:
    losses = WeightedSum({"triplane": TriplaneLoss(), "image": ImageLoss()})
    return AdversarialDistillation(
        **{
            "adversary": adversary_of(teacher),
            "lifter": tiny_lifter(teacher, **SIZE),
            "source": level_sampler(teacher),
            "plan": TrainingPlan(
                [
                    Stage(
                        "adversarial",
                        0,
                        None,
                        2,
                        losses,
                        weights or {"reference": 0.1, "novel": 0.025},
                    )
                ]
            ),
            "optimizer": StudentOptimizer(
                learning_rate=1e-3, transformer_learning_rate=1e-3, renderer_learning_rate=1e-3
            ),
            "batch_size": 4,
            "gradient_clip": 1.0,
            **changes,
        }
    )


def values(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def changed(network: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {
        name for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }


def test_everything_learns_but_the_teacher_and_one_update_is_one_step(teacher, tmp_path):
    module = module_of(teacher)
    before = {
        name: values(network)
        for name, network in (("lifter", module.lifter), ("critic", module.adversary.discriminator))
    }
    frozen = values(teacher)
    scores = HeldOutScores(
        sampler=module.source,
        student_path=tmp_path / "student.safetensors",
        every_steps=100,
        samples=1,
    )
    trainer = fit(module, ExponentialAverage(half_life=1), scores, max_steps=2)
    assert not changed(teacher, frozen)
    assert not any(
        parameter.requires_grad or parameter.grad is not None for parameter in teacher.parameters()
    )
    assert changed(module.lifter, before["lifter"]) == {
        name for name, _ in module.lifter.named_parameters()
    }
    assert changed(module.adversary.discriminator, before["critic"]) == {
        n for n, _ in module.adversary.discriminator.named_parameters()
    }
    assert trainer.global_step == module.step == 2
    shipped = Lifter.load(tmp_path / "student.safetensors")
    assert changed(shipped.renderer, values(teacher.renderer))
    assert not any("adversary" in name for name in shipped.state_dict())


def test_real_and_fake_are_shown_alike(teacher):
    """A student with the teacher's own planes renders the same images: same cameras, rays,
    backgrounds and channels.
    """
    module = module_of(teacher)
    identities = module.source([0, 1, 2, 3])
    for view, rendering in module.render_views(
        identities.triplane, identities, ("novel", "reference")
    ).items():
        pair = module._pair(identities, view, rendering)
        assert pair.real.shape == (4, 4, 32, 32)
        assert torch.allclose(pair.real, pair.fake, atol=1e-5)
        assert torch.equal(pair.label, getattr(identities, view).camera.label())
        assert not pair.real.requires_grad and not pair.fake.requires_grad


def test_the_views_weigh_as_the_stage_says(teacher):
    module = module_of(teacher, weights={"reference": 0.5, "novel": 0.25})
    identities = module.source([0, 1, 2, 3])
    seen = module.render_views(module.lift(identities.image), identities, ("novel", "reference"))
    total, parts = module.adversarial_loss(seen, identities, {"reference": 0.5, "novel": 0.25})
    assert total.item() == pytest.approx(
        0.5 * parts["adversarial/reference"].item() + 0.25 * parts["adversarial/novel"].item(),
        rel=1e-5,
    )
    total.backward()
    assert all(parameter.grad is None for parameter in module.adversary.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in module.adversary.discriminator.parameters())
    assert any(parameter.grad is not None for parameter in module.lifter.encoder.parameters())


def test_the_penalty_is_lazy_and_heavier_by_as_much(teacher):
    adversary = adversary_of(teacher, r1_gamma=3.0, r1_every=8)
    identities = module_of(teacher).source([0, 1, 2, 3])
    pair = adversary.pair(
        identities.novel.rendering, identities.reference.rendering, identities.novel.camera
    )
    plain, penalised = (adversary.discriminate([pair], has_penalty=flag) for flag in (False, True))
    assert plain.penalty is None
    assert (penalised.loss - plain.loss).item() == pytest.approx(
        penalised.penalty.item() * 3.0 / 2 * 8, rel=1e-4
    )


def test_the_penalty_of_both_images_is_taken_at_their_own_sizes(teacher):
    passport = dataclasses.replace(
        teacher.passport, background="black", super_resolution="teacher_w", image_resolution=32
    )
    adversary = Adversary(
        discriminator=critic(6), passport=passport, settings=AdversarySettings(r1_every=1)
    )
    pictures = torch.Generator().manual_seed(3)
    image, raw = (torch.randn(4, 3, side, side, generator=pictures) for side in (32, 8))
    seen = Rendering(
        image=image, image_raw=raw, feature_image=raw, depth=raw[:, :1], opacity=raw[:, :1]
    )
    camera = module_of(teacher).source([0, 1, 2, 3]).novel.camera
    pair = adversary.pair(seen, seen, camera)
    leaves = [value.clone().requires_grad_() for value in (image, raw)]
    logits = adversary.discriminator(discriminator_input(*leaves), pair.label)
    expected = sum(
        slope.square().sum((1, 2, 3)).mean() for slope in torch.autograd.grad(logits.sum(), leaves)
    )
    found = adversary.discriminate([pair], has_penalty=True).penalty
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_discriminators_rate_is_eg3ds_corrected_for_the_lazy_penalty(teacher):
    optimizer = AdversarySettings().optimizer(critic())
    [group] = optimizer.param_groups
    assert group["lr"] == pytest.approx(0.002 * 16 / 17)
    assert group["betas"] == pytest.approx((0.0, 0.99 ** (16 / 17)))


def stage_one(teacher, **changes) -> Distillation:
    module = module_of(teacher)
    module.lifter.renderer.requires_grad_(False)
    plan = TrainingPlan([Stage("reconstruction", 0, None, 1, module.plan.stages[0].losses)])
    kept = {
        "lifter": module.lifter,
        "source": module.source,
        "plan": plan,
        "optimizer": module.optimizer_settings,
        "batch_size": 4,
    }
    return Distillation(**{**kept, **changes})


def gradient_of(module: Distillation) -> torch.Tensor:
    """Of the first step, as the update gets it."""
    found: list[torch.Tensor] = []
    module.update = lambda optimizer: found.extend(
        p.grad.flatten() for p in module.lifter.encoder.parameters()
    )
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    data = SampledBatches(module.source, batch_size=module.batch_size, accumulate=module.accumulate)
    trainer.fit(module, datamodule=data)
    return torch.cat(found)


@pytest.mark.parametrize(
    "option",
    [
        {"accumulate": 2},
        {"execution": Execution(channels_last=True)},
        {"execution": Execution(checkpoints_activations=True)},
    ],
    ids=["accumulate", "channels_last", "checkpoints_activations"],
)
def test_options_of_the_engine_change_the_gradient_by_rounding_at_most(teacher, option):
    plain, other = gradient_of(stage_one(teacher)), gradient_of(stage_one(teacher, **option))
    assert (
        (plain - other).norm() < 1e-3 * plain.norm()
    )  # where prediction and target meet, rounding turns the sign of a difference


def test_parts_of_a_batch_keep_the_groups_of_the_discriminator_together(teacher):
    """Its statistics are over every (batch / group)-th image: those of contiguous parts differ."""
    options = {"batch_size": 4, "weights": {"reference": 10.0, "novel": 10.0}}

    def module(**changes) -> AdversarialDistillation:
        discriminator = tiny_discriminator(32, 4, seed=1, group=2)
        with torch.no_grad():
            discriminator.b4.conv.weight[:, -1] *= 30  # the channel of the statistics
        adversary = Adversary(
            discriminator=discriminator, passport=teacher.passport, settings=AdversarySettings()
        )
        return module_of(teacher, adversary=adversary, **options, **changes)

    plain, parts = gradient_of(module()), gradient_of(module(accumulate=2))
    assert (plain - parts).norm() < 1e-3 * plain.norm()


def test_a_fused_update_is_the_same_but_for_rounding(teacher):
    rates = {"learning_rate": 1e-3, "transformer_learning_rate": 1e-3}
    modules = [
        stage_one(teacher, optimizer=StudentOptimizer(**rates, fused=flag))
        for flag in (False, True)
    ]
    optimizers = [fit(module, max_steps=1).optimizers[0] for module in modules]
    assert [
        group["fused"] for group in (optimizer.param_groups[0] for optimizer in optimizers)
    ] == [None, True]
    for one, other in zip(*(module.lifter.encoder.parameters() for module in modules), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_gradient_is_cut_to_the_norm_that_is_allowed(teacher):
    norms = []
    for limit in (None, 1e-3):
        module = stage_one(teacher, gradient_clip=limit)
        hook = {"norm": 0.0}
        module.optimizer_settings.set_rates = lambda optimizer, step, h=hook: h.update(
            norm=float(
                torch.nn.utils.get_total_norm(
                    [
                        p.grad
                        for group in optimizer.param_groups
                        for p in group["params"]
                        if p.grad is not None
                    ]
                )
            )
        )
        fit(module, max_steps=1)
        norms.append(hook["norm"])
    assert norms[0] > 1e-2
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)


COMPILED = """
import torch
from pipeline.distillation.execution import Execution
from students.two_stage import TwoStageEncoder

torch.manual_seed(0)
encoder, image = TwoStageEncoder(**{student}), torch.rand(2, 3, 32, 32)
gradients = []
for compile in (False, True):
    Execution(compile=compile).prepare(encoder)
    names = list(encoder.state_dict())
    gradients.append(torch.autograd.grad(encoder(image).abs().mean(), list(encoder.parameters())))
plain, compiled = (torch.cat([g.flatten() for g in of]) for of in gradients)
assert (plain - compiled).norm() < 1e-3 * plain.norm()
assert names == list(TwoStageEncoder(**{student}).state_dict())
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_encoder_has_the_same_gradient_and_names_but_for_rounding():
    """In a process of its own: hooked functions cannot be compiled."""
    subprocess.run(
        [sys.executable, "-c", COMPILED.format(student=student_arguments(**SIZE))],
        env=process_environment(),
        check=True,
    )


def test_the_encoder_in_bfloat16_returns_float32_planes_that_are_nearly_the_same(teacher):
    module = module_of(teacher)
    image = module.source([0, 1]).image
    full, half = (
        execution.lift(module.lifter, image).planes
        for execution in (Execution(), Execution(bfloat16=True))
    )
    assert half.dtype == torch.float32
    assert 0 < (full - half).abs().max() < 0.05 * full.abs().max()


def test_a_frozen_renderer_has_its_place_in_the_optimizers_state(teacher):
    optimizer = StudentOptimizer().build(stage_one(teacher).lifter)
    assert [group["name"] for group in optimizer.param_groups] == [
        "transformers",
        "others",
        "renderer",
    ]
    assert not any(parameter.requires_grad for parameter in optimizer.param_groups[2]["params"])


def test_the_average_follows_encoder_and_renderer_but_not_the_adversary(teacher):
    module, average = module_of(teacher), ExponentialAverage()
    fit(module, average, max_steps=1)
    assert set(average.state_dict()["average"]) == {
        name for name, _ in module.lifter.named_parameters()
    }


@pytest.mark.parametrize(("kind", "channels"), [("none", 3), ("2X", 6)])
def test_what_a_discriminator_is_shown_follows_from_the_passport(teacher, kind, channels):
    passport = copy.copy(teacher.passport)
    object.__setattr__(passport, "super_resolution", kind)
    for background, more in (("black", 0), ("matte", 1)):
        object.__setattr__(passport, "background", background)
        image, raw = torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 8, 8)
        depth = torch.ones(2, 1, 8, 8)
        shown = RenderingInput(passport, critic(channels + more))(
            Rendering(image, raw, raw, depth, depth)
        )
        assert shown.shape == (2, channels + more, 32, 32)
        with pytest.raises(ValueError, match="they don't belong together"):
            RenderingInput(passport, critic(channels + more + 1))


def test_pictures_that_do_not_fill_the_statistics_groups_are_refused_beforehand(teacher):
    adversary = adversary_of(teacher)
    adversary.require_groups(3)
    adversary.require_groups(8)
    with pytest.raises(ValueError, match="in groups of 4, it would get 6"):
        adversary.require_groups(6)


@pytest.mark.parametrize(("right", "said"), [(True, "wins outright"), (False, "loses outright")])
def test_a_discriminator_without_an_argument_is_reported_once(caplog, right, said):
    balance = Balance(half_life=3.0)
    logits = torch.full((4, 1), 1.0 if right else -1.0)
    with caplog.at_level(logging.WARNING):
        for step in range(60):
            balance.follow(logits, -logits, step)
    assert [said in record.message for record in caplog.records] == [True]
    again = Balance(half_life=3.0)
    again.load_state_dict(balance.state_dict())
    assert again.state_dict() == balance.state_dict()
