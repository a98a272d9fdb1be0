"""A WYSIWYG teacher is trained as EG3D's, with its own losses, and changes over to its sampler."""

import dataclasses
from unittest.mock import Mock

import pytest
import torch
from lightning import Trainer

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.pretraining.data_module import DrawnImages
from pipeline.pretraining.discriminator_view import discriminator_channels
from pipeline.pretraining.gan import GANSettings
from pipeline.pretraining.planner import ScheduleTimer
from pipeline.pretraining.progress import TeacherProgress
from pipeline.pretraining.schedule import GANSchedule
from pipeline.pretraining.surface import SurfaceGAN, SurfaceSettings
from pipeline.pretraining.training_images import TrainingImages
from teachers.checkpoint import load_teacher
from teachers.eg3d.teacher import save_eg3d
from teachers.kinds import configuration_of, kind_of
from teachers.rendering.camera import Camera
from tests.builders import tiny_discriminator

CONFIG = configuration_of(
    {
        "kind": "wysiwyg",
        "z_dim": 8,
        "w_dim": 16,
        "label_dim": 0,
        "plane_resolution": 8,
        "plane_channels": 4,
        "channel_base": 128,
        "channel_max": 8,
        "hidden_channels": 16,
        "feature_channels": 3,
        "near": 2.2,
        "far": 3.2,
        "depth_samples": 6,
        "importance_samples": 6,
        "super_resolution": "none",
        "sr_latent": "none",
        "render_resolution": 16,
        "image_resolution": 16,
        "background": "matte",
        "probe_samples": 12,
        "samples": 3,
        "hard_samples": 6,
        "proposal_width": 8,
    }
)
SURFACE = SurfaceSettings(
    surface_weight=100.0, decisiveness_weight=0.01, sampler_weight=0.1, every=2, samples=12,
    first_beta=0.01, last_beta=0.002, sharpen_from=8, sharpen_images=8, train_sampler_from=8,
    sample_from=16, patch=8,
)  # fmt: skip


def images_of_noise() -> TrainingImages:
    random = torch.Generator().manual_seed(0)
    return TrainingImages(
        torch.randint(0, 256, (8, 4, 16, 16), generator=random, dtype=torch.uint8),
        Camera.orbit(torch.linspace(-0.5, 0.5, 8), torch.zeros(8)),
    )


def surface_gan(images: TrainingImages, **changes) -> SurfaceGAN:
    config = dataclasses.replace(CONFIG, **changes)
    return SurfaceGAN(
        config=config,
        discriminator=tiny_discriminator(16, discriminator_channels(config), group=4),
        photographs=images,
        schedule=GANSchedule(total_images=100, growth=((0, 16),)),
        settings=GANSettings(batch_size=8, density_weight=0.0),
        surface=SURFACE,
    )


def test_three_steps_train_field_and_sampler_and_the_last_draws_with_it():
    images = images_of_noise()
    # more samples of hard rays than of a second pass
    module = surface_gan(images, hard_samples=9)
    renderer = module.generator.renderer
    before = {name: value.clone() for name, value in renderer.named_parameters()}
    used = []
    cast = renderer._cast
    renderer._cast = lambda *given: used.append(renderer.uses_proposals) or cast(*given)
    trainer = Trainer(
        accelerator="cpu", max_steps=6, max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=DrawnImages(images, batch_size=8, seed=0))
    assert used == [False, False, True]
    changed = {name for name, value in renderer.named_parameters() if not value.equal(before[name])}
    assert {"decoder.distance.4.weight", "decoder.color.2.weight", "proposals.last.weight"} <= (
        changed
    )


def test_the_wanted_sharpness_goes_from_one_to_the_other():
    betas = [SURFACE.beta(seen) for seen in (0, 8, 12, 16, 99)]
    assert betas == pytest.approx([0.01, 0.01, 0.006, 0.002, 0.002])


def test_a_sampler_that_is_used_before_it_has_learnt_is_refused():
    with pytest.raises(ValueError, match="sample_from is 4"):
        dataclasses.replace(SURFACE, sample_from=4)


def test_a_teacher_has_no_sampler_before_that_has_learnt(tmp_path):
    module = surface_gan(images_of_noise())
    progress = TeacherProgress(
        tmp_path, every_images=8, drawing={}, frechet=Mock(), scored=4, name="none", licence="none"
    )
    found = []
    for seen in (15, 16):
        module.seen = seen
        teacher = progress.teacher(module, {})
        save_eg3d(tmp_path / str(seen), teacher)
        renderer = load_teacher(tmp_path / str(seen)).renderer
        found.append((renderer.proposals is None, renderer.uses_proposals))
    assert found == [(True, False), (False, True)]


def test_a_dry_run_times_the_steps_before_and_with_the_sampler():
    module = surface_gan(images_of_noise())
    assert ScheduleTimer(module).segments == [(16, 0, 8), (16, 8, 16), (16, 16, 100)]
    assert {step % 2 for _, step in ScheduleTimer(module).kinds} == {0, 1}


def test_the_paper_s_sizes_take_its_29_6_samples_a_ray_and_its_proposal_network_has_197_inputs():
    """WYSIWYG sec. 4 and table A4."""
    config = compose("pretrain", "experiment=wysiwyg_ffhq", "data.path=x", "licence=x")
    settings = configuration_of(to_plain(config.teacher))
    with torch.device("meta"):
        generator = kind_of(settings).generator(settings)
    proposals = generator.renderer.proposals
    assert generator.config.counts.mean_samples == pytest.approx(29.6)
    assert (proposals.probe[0].in_channels, proposals.last.out_channels) == (197, 191)
    assert [layer.in_features for layer in generator.renderer.decoder.distance[::2]] == [
        71, 128, 128,
    ]  # fmt: skip
    steps = instantiate(config.schedule).growth
    assert [resolution for _, resolution in steps] == [64, 128, 512]
