"""One adversarial step, what it changes, and a run that continues as if it had not stopped."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer

from pipeline.pretraining.data_module import DrawnImages
from pipeline.pretraining.discriminator_view import discriminator_channels
from pipeline.pretraining.gan import GANSettings, TeacherGAN
from pipeline.pretraining.schedule import GANSchedule
from pipeline.pretraining.training_images import TrainingImages
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.state_keeper import StateKeeper
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.discriminator import discriminator_input
from teachers.rendering.camera import Camera
from tests.builders import smallest_eg3d_settings, tiny_discriminator

TINY = EG3DConfiguration(
    **smallest_eg3d_settings(
        16, feature_channels=3, background="matte", first_pass="proposal", density_gain=20.0
    )
)
SCHEDULE = GANSchedule(total_images=1000, growth=((0, 8), (8, 16)), blur_sigma=1.0, blur_images=100)
SETTINGS = GANSettings(batch_size=4, r1_every=2, density_every=2, density_points=20)


def photographs(count: int = 8) -> TrainingImages:
    """Discs of different colours in front of nothing, premultiplied."""
    random = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(16) - 7.5, torch.arange(16) - 7.5, indexing="ij")
    matte = ((rows**2 + columns**2) < 36).float().expand(count, 1, 16, 16)
    pixels = torch.cat([torch.rand(count, 3, 1, 1, generator=random) * matte, matte], 1)
    return TrainingImages(
        (pixels * 255).to(torch.uint8),
        Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count)),
    )


def module_of(
    config: EG3DConfiguration = TINY, schedule: GANSchedule = SCHEDULE, **settings: Any
) -> TeacherGAN:
    discriminator = tiny_discriminator(16, discriminator_channels(config))
    return TeacherGAN(
        config=config,
        discriminator=discriminator,
        photographs=photographs(),
        schedule=schedule,
        settings=dataclasses.replace(SETTINGS, **settings),
    )


def data_of(module: TeacherGAN) -> DrawnImages:
    settings = module.settings
    return DrawnImages(module.photographs, batch_size=settings.batch_size, seed=settings.seed)


def fit(
    module: TeacherGAN, *callbacks: Callback, steps: int, state: Path | None = None
) -> TeacherGAN:
    """Lightning counts two steps, one of each optimiser."""
    trainer = Trainer(
        accelerator="cpu", max_steps=2 * steps, max_epochs=-1, callbacks=list(callbacks),
        logger=False, plugins=[SafetensorsCheckpointIO()], enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=data_of(module), ckpt_path=state)
    return module


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


class Watch(Callback):
    """Notes the gradients of the discriminator while the generator learns, and the first rendering
    of each step.
    """

    def __init__(self) -> None:
        self.in_generator_step: list[bool] = []
        self.sides: list[int] = []

    def on_fit_start(self, trainer: Trainer, module: TeacherGAN) -> None:
        generate, imagine = module._generate, module._render_fakes

        def noted_generate(*arguments):
            before = weights(module.discriminator)
            generate(*arguments)
            grads = [p.requires_grad for p in module.discriminator.parameters()]
            unchanged = all(
                torch.equal(before[name], value)
                for name, value in module.discriminator.state_dict().items()
            )
            self.in_generator_step += [any(grads) or not unchanged]

        def noted_render(*arguments):
            triplane, rendering = imagine(*arguments)
            self.sides.append(rendering.image.shape[-1])
            return triplane, rendering

        module._generate, module._render_fakes = noted_generate, noted_render


def test_one_step_changes_every_weight_of_both_networks():
    module = module_of()
    before = weights(module)
    fit(module, steps=1)
    assert (module.steps, module.seen) == (1, 4)
    for network in ("generator", "discriminator"):
        for name, parameter in getattr(module, network).named_parameters():
            is_unused = name.endswith("noise_strength") and TINY.noise == "none"
            assert is_unused or not torch.equal(parameter, before[f"{network}.{name}"]), (
                f"{network}.{name}"
            )


def test_the_discriminator_stands_still_while_the_generator_learns():
    watch = Watch()
    module = fit(module_of(), watch, steps=2)
    assert watch.in_generator_step == [False, False]
    assert all(
        parameter.grad is None or parameter.grad.isfinite().all()
        for parameter in module.parameters()
    )


def test_rays_grow_as_the_schedule_says_and_the_discriminator_sees_one_size():
    watch = Watch()
    fit(module_of(), watch, steps=3)
    assert watch.sides == [8, 8, 16]


def test_the_average_follows_the_generator_and_carries_its_buffers():
    module = module_of(ema_images=4, ema_rampup=1.0)  # after a batch, half of the way
    start = weights(module.generator)
    fit(module, steps=1)
    for name, parameter in module.generator.named_parameters():
        expected = (start[name] + parameter) / 2
        assert torch.allclose(dict(module.average.named_parameters())[name], expected, atol=1e-6), (
            name
        )
    assert torch.equal(
        module.average.backbone.mapping.w_avg, module.generator.backbone.mapping.w_avg
    )
    assert module.average.backbone.mapping.w_avg.abs().sum() > 0


def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one_bit_for_bit(tmp_path):
    straight = fit(module_of(), steps=5)
    fit(module_of(), StateKeeper(tmp_path / "last", every_steps=1 << 40), steps=3)
    resumed = fit(module_of(), steps=5, state=tmp_path / "last")
    assert (resumed.steps, resumed.seen) == (5, 20)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_another_seed_is_another_run():
    one, other = (fit(module_of(seed=seed), steps=1) for seed in (0, 1))
    assert not torch.equal(
        one.generator.renderer.decoder.net[0].weight, other.generator.renderer.decoder.net[0].weight
    )


def test_the_discriminator_sees_real_images_as_the_renderings_are_made():
    """Reduced to the rays' resolution and back, blurred, in front of white, with their matte in
    [-1, 1].
    """
    module = module_of(schedule=GANSchedule(total_images=10, growth=((0, 8),)))
    real = module.photographs.draw(4, torch.Generator().manual_seed(0))
    shown = module.view.of_images(real, module.seen)
    assert shown.shape == (4, 4, 16, 16)
    assert shown[:, :3, 0, 0].min() > 0.99
    assert shown[:, 3, 0, 0].max() < -0.99
    assert shown[:, 3, 8, 8].min() > 0.99
    blurred = module_of(schedule=dataclasses.replace(SCHEDULE, blur_sigma=2.0)).view.of_images(
        real, 0
    )
    assert blurred.std() < shown.std()


@pytest.mark.parametrize(
    "changes, channels",
    [
        ({}, 4),
        ({"background": "white"}, 3),
        ({"super_resolution": "2X", "sr_latent": "teacher_w", "background": "black"}, 6),
    ],
)
def test_the_discriminator_has_the_channels_of_what_it_is_shown(changes, channels):
    assert discriminator_channels(dataclasses.replace(TINY, **changes)) == channels


def test_conditions_are_cameras_of_the_batch_partly_swapped():
    config = dataclasses.replace(TINY, label_dim=25)
    cameras = photographs().cameras[:4]
    always, never = (
        module_of(config, dataclasses.replace(SCHEDULE, swap_start=share, swap_end=share))
        for share in (1.0, 0.0)
    )
    random = torch.Generator().manual_seed(0)
    assert torch.equal(never._conditions(cameras, random).label(), cameras.label())
    assert torch.equal(always._conditions(cameras, random).label(), cameras.label().roll(1, 0))
    assert module_of(dataclasses.replace(TINY, label_dim=0))._conditions(cameras, random) is None


def test_learning_rates_decay_and_the_discriminators_is_corrected_for_lazy_penalties():
    module = module_of(
        schedule=dataclasses.replace(SCHEDULE, total_images=8, decay_images=8, decay_floor=0.5)
    )
    fit(module, steps=2)  # the second step begins at 4 of 8 images
    generator, discriminator = (optimizer.param_groups[0] for optimizer in module.optimizers())
    assert generator["lr"] == pytest.approx(2.5e-3 * 0.75)
    assert discriminator["lr"] == pytest.approx(2e-3 * 2 / 3 * 0.75)
    assert discriminator["betas"] == pytest.approx((0.0, 0.99 ** (2 / 3)))


DUAL = dataclasses.replace(
    TINY,
    super_resolution="2X",
    sr_latent="constant_one",
    image_resolution=128,
    background="black",
    feature_channels=4,
)


def dual_module(**schedule: Any) -> TeacherGAN:
    """With super-resolution; the photographs are 128² squares."""
    discriminator = tiny_discriminator(128, 6, channel_base=128)
    images = (torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255).to(
        torch.uint8
    )
    photographs = TrainingImages(
        images.repeat_interleave(16, 2).repeat_interleave(16, 3),
        Camera.orbit(torch.zeros(4), torch.zeros(4)),
    )
    schedule = GANSchedule(total_images=10, growth=((0, 16),), **schedule)
    return TeacherGAN(
        config=DUAL,
        discriminator=discriminator,
        photographs=photographs,
        schedule=schedule,
        settings=SETTINGS,
    )


def test_with_super_resolution_the_discriminator_sees_the_image_and_its_raw_resolution():
    module = dual_module()
    real = module.photographs.draw(2, torch.Generator().manual_seed(0))
    shown = module.view.of_images(real, module.seen)
    assert shown.shape == (2, 6, 128, 128)
    assert torch.equal(shown[:, :3], real.over(0.0))
    coarse, raw = real.over(0.0), shown[:, 3:]
    for side in (16, 128):
        coarse = torch.nn.functional.interpolate(
            coarse, size=(side, side), mode="bilinear", align_corners=False, antialias=True
        )
    assert torch.allclose(raw, coarse, atol=1e-5)
    assert (raw - shown[:, :3]).abs().mean() > 0.1


def test_of_two_images_only_the_final_one_is_blurred():
    sharp, soft = dual_module(), dual_module(blur_sigma=4.0, blur_images=100)
    real = sharp.photographs.draw(2, torch.Generator().manual_seed(0))
    first, second = sharp.view.of_images(real, sharp.seen), soft.view.of_images(real, soft.seen)
    assert torch.equal(first[:, 3:], second[:, 3:])
    assert second[:, :3].std() < first[:, :3].std() - 0.01


def test_real_mattes_are_as_coarse_as_rendered_ones():
    """Otherwise the discriminator would distinguish them by their edges alone."""
    module = module_of(
        dataclasses.replace(TINY, super_resolution="2X", sr_latent="constant_one"),
        GANSchedule(total_images=10, growth=((0, 4),)),
    )
    real = module.photographs.draw(4, torch.Generator().manual_seed(0))
    matte = module.view.parts(real, module.seen)[2]
    assert matte.shape == real.opacity.shape
    assert real.opacity.unique().numel() == 2 < matte.unique().numel()


def test_with_two_images_the_penalty_is_on_both_each_at_its_own_size():
    module = dual_module()
    real = module.photographs.draw(2, torch.Generator().manual_seed(0))
    image, raw, _ = (
        None if part is None else part.clone().requires_grad_()
        for part in module.view.parts(real, module.seen)
    )
    logits = module.discriminator(discriminator_input(image, raw), real.camera.label())
    gradients = torch.autograd.grad(logits.sum(), (image, raw))
    assert [gradient.shape[-1] for gradient in gradients] == [128, 16]
    expected = sum(gradient.square().sum((1, 2, 3)).mean() for gradient in gradients)
    assert module._penalty(real, module.view.of_images(real, module.seen)).item() == pytest.approx(
        expected.item(), rel=1e-4
    )
    assert all((gradient != 0).any() for gradient in gradients)
