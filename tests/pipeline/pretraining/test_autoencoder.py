"""An autoencoder's decoder learns to reconstruct images; the discriminator waits."""

import torch
from lightning import Trainer

from pipeline.pretraining.autoencoder import TeacherAutoencoder
from pipeline.pretraining.data_module import DrawnImages
from pipeline.pretraining.discriminator_view import discriminator_channels
from pipeline.pretraining.gan import GANSettings
from pipeline.pretraining.schedule import GANSchedule
from pipeline.pretraining.training_images import TrainingImages
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.rendering.camera import Camera
from tests.builders import smallest_eg3d_settings, tiny_discriminator

TINY = EG3DConfiguration(
    **smallest_eg3d_settings(
        16, feature_channels=3, background="matte", first_pass="proposal", density_gain=20.0
    )
)


def discs(colors: torch.Tensor) -> TrainingImages:
    """Frontal images of discs, premultiplied."""
    rows, columns = torch.meshgrid(torch.arange(16) - 7.5, torch.arange(16) - 7.5, indexing="ij")
    matte = ((rows**2 + columns**2) < 36).float().expand(len(colors), 1, 16, 16)
    pixels = torch.cat([colors[:, :, None, None] * matte, matte], 1)
    return TrainingImages(
        (pixels * 255).to(torch.uint8),
        Camera.orbit(torch.zeros(len(colors)), torch.zeros(len(colors))),
    )


def autoencoder(images: TrainingImages) -> TeacherAutoencoder:
    torch.manual_seed(0)
    return TeacherAutoencoder(
        encoder={"channel_base": 64, "channel_max": 8},
        rate=0.01,
        divergence_weight=1e-4,
        edge_weight=1.0,
        config=TINY,
        discriminator=tiny_discriminator(16, discriminator_channels(TINY)),
        photographs=images,
        schedule=GANSchedule(total_images=10_000, growth=((0, 16),)),
        settings=GANSettings(batch_size=4, ema_images=20),
    )


def error(module: TeacherAutoencoder) -> float:
    """How far the images are from what is drawn at the mean of their latents."""
    real = module.photographs.draw(8, torch.Generator().manual_seed(1))
    shown = module.view.of_images(real, module.seen)
    with torch.no_grad():
        random = torch.Generator().manual_seed(2)
        rendering = module._render(module.encoder(shown)[0], real.camera, None, random)[1]
        drawn = module.view.of_rendering(rendering, module.seen)
    return float((drawn - shown).abs().mean())


def test_images_are_reconstructed_better_with_every_step_and_the_discriminator_is_left_alone():
    module = autoencoder(discs(torch.eye(3)))
    critic = {name: value.clone() for name, value in module.discriminator.state_dict().items()}
    before = error(module)
    trainer = Trainer(
        accelerator="cpu", max_steps=120, max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=DrawnImages(module.photographs, batch_size=4, seed=0))
    assert error(module) < 0.7 * before
    assert (module.steps, module.seen) == (120, 480)
    assert all(
        torch.equal(value, critic[name])
        for name, value in module.discriminator.state_dict().items()
    )


def test_a_latent_costs_nothing_only_where_it_is_the_prior():
    module = autoencoder(discs(torch.eye(3)))
    mean, log_variance = module.encoder(
        module.view.of_images(
            module.photographs.draw(4, torch.Generator().manual_seed(0)), module.seen
        )
    )
    assert mean.shape == log_variance.shape == (4, 8)
    assert not torch.equal(mean[0], mean[1])
