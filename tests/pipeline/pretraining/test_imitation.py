"""A signed distance learns to draw what an EG3D draws, from the same latents."""

import dataclasses

import pytest
import torch
from lightning import Trainer

from pipeline.build.configuration import compose
from pipeline.build.pretraining import build_module
from pipeline.pretraining.autoencoder import TeacherAutoencoder
from pipeline.pretraining.data_module import DrawnImages
from pipeline.pretraining.discriminator_view import discriminator_channels
from pipeline.pretraining.gan import GANSettings
from pipeline.pretraining.imitation import SurfaceImitation
from pipeline.pretraining.schedule import GANSchedule
from teachers.checkpoint import load_discriminator, load_teacher
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator
from teachers.eg3d.teacher import EG3DTeacher, passport_of
from teachers.kinds import kind_of
from teachers.wysiwyg.generator import wysiwyg_renderer
from tests.builders import tiny_discriminator

from .test_surface import CONFIG, SURFACE, images_of_noise

SHARED = (
    *("z_dim", "w_dim", "label_dim", "mapping_layers", "plane_resolution", "plane_channels"),
    *("channel_base", "channel_max", "near", "far", "image_resolution", "render_resolution"),
    *("background", "box_size"),
)


def eg3d(**changes) -> EG3DTeacher:
    torch.manual_seed(1)
    config = EG3DConfiguration(
        **{name: getattr(CONFIG, name) for name in SHARED},
        super_resolution="none", sr_latent="none", feature_channels=3, hidden_channels=16,
        density_gain=20.0, prior_ellipsoids=((0.0, 0.0, 0.0, 0.2, 0.25, 0.2),),
    )  # fmt: skip
    config = dataclasses.replace(config, **changes)
    return EG3DTeacher(
        Generator(config), passport_of(config, name="tiny", source_hash="0", licence="none")
    )


def imitation(
    teacher: EG3DTeacher, adversarial_from: int | None = None, config: EG3DConfiguration = CONFIG
) -> SurfaceImitation:
    torch.manual_seed(0)
    return SurfaceImitation(
        imitated=teacher, rate=0.01, edge_weight=1.0, depth_weight=1.0, samples=8,
        adversarial_from=adversarial_from, adversarial_weight=0.1,
        config=config,
        discriminator=tiny_discriminator(16, discriminator_channels(CONFIG), group=4),
        photographs=images_of_noise(),
        schedule=GANSchedule(total_images=10_000, growth=((0, 16),)),
        settings=GANSettings(batch_size=8, density_weight=0.0, ema_images=20),
        surface=dataclasses.replace(SURFACE, train_sampler_from=16, sample_from=160),
    )  # fmt: skip


def error(module: SurfaceImitation, teacher: EG3DTeacher) -> float:
    camera = module.photographs.cameras
    z = torch.randn(8, CONFIG.z_dim, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        drawn = module._render(z, camera, None, torch.Generator().manual_seed(2))[1]
        truth = teacher.render(teacher.synthesize(teacher.map_latents(z)), camera)
    return float((drawn.image_raw - truth.image_raw).abs().mean())


def test_images_come_nearer_to_the_imitated_ones_and_latents_keep_their_meaning():
    teacher = eg3d()
    module = imitation(teacher)
    before = error(module, teacher)
    critic = {name: value.clone() for name, value in module.discriminator.state_dict().items()}
    train(module, updates=50)
    after = error(module, teacher)
    assert module.generator.renderer.uses_proposals
    assert after < 0.75 * before
    z = torch.randn(3, CONFIG.z_dim)
    assert torch.equal(
        module.generator.backbone.mapping(z, None), teacher.generator.backbone.mapping(z, None)
    )
    assert not any("imitated" in name for name in module.state_dict())
    assert all(value.equal(critic[name]) for name, value in module.discriminator.named_parameters())


def test_the_discriminator_joins_in_when_it_is_due():
    module = imitation(eg3d(), adversarial_from=16)
    found = []
    for updates in (2, 2):  # one of each network after 16 images
        critic = {name: value.clone() for name, value in module.discriminator.state_dict().items()}
        train(module, updates)
        found.append(
            all(v.equal(critic[name]) for name, v in module.discriminator.named_parameters())
        )
    assert (found, module.seen) == ([True, False], 24)
    assert module.work_changes == (16, 160)


def test_both_draw_the_same_identities_where_cameras_condition_them(monkeypatch):
    labelled = dataclasses.replace(CONFIG, label_dim=25)
    teacher = eg3d(label_dim=25)
    module = imitation(teacher, config=labelled)
    given = []
    for one in (module.generator, teacher):
        draw = one.map_latents
        noted = lambda z, camera=None, draw=draw, **how: (  # noqa: E731
            given.append(camera.label()) or draw(z, camera, **how)
        )
        monkeypatch.setattr(one, "map_latents", noted)
    with torch.no_grad():
        module._render_fakes(module.photographs.cameras[:8], torch.Generator().manual_seed(2))
    assert len(given) == 2 and torch.equal(*given)


def train(module: SurfaceImitation, updates: int) -> None:
    trainer = Trainer(
        accelerator="cpu", max_steps=updates, max_epochs=-1, logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=DrawnImages(module.photographs, batch_size=8, seed=0))


def test_a_backbone_of_other_sizes_is_refused_with_the_settings_that_decide_them():
    with pytest.raises(ValueError, match=r"other sizes .* plane_channels"):
        imitation(eg3d(w_dim=8))


def test_the_experiment_begins_as_the_bundled_teacher_with_its_discriminator():
    module = build_module(compose("pretrain", "experiment=wysiwyg_from_eg3d"), images_of_noise())
    bundled = load_discriminator("bundled/puppets").state_dict()
    critic = module.discriminator.state_dict()
    assert all(torch.equal(value, bundled[name]) for name, value in critic.items())
    latents = torch.randn(2, 128)
    mapped = [
        generator.map_latents(latents, None)
        for generator in (module.generator, load_teacher("bundled/puppets").generator)
    ]
    assert torch.equal(*mapped)


def test_an_eg3d_imitates_nobody():
    config = compose("pretrain", "+imitation.of=bundled/puppets")
    with pytest.raises(ValueError, match=r"teacher\.kind is 'eg3d': .* by start_from"):
        build_module(config, images_of_noise())


def test_planes_near_one_multiply_to_the_mean_of_the_imitated_ones():
    config = dataclasses.replace(CONFIG, product_gain=0.003)
    imitated, generator = eg3d(), kind_of(config).generator(config)
    generator.backbone.load_state_dict(imitated.generator.backbone.state_dict())
    points = torch.rand(2, 50, 3) - 0.5
    ws = imitated.map_latents(torch.randn(2, 8))
    with torch.no_grad():
        product = generator.synthesize(ws).sample(points)
        mean = imitated.synthesize(ws).sample(points)
    torch.testing.assert_close(product, mean, atol=0.01, rtol=0.02)


def test_features_begin_without_a_say_until_they_are_to_be_noticed():
    torch.manual_seed(0)
    decoder = wysiwyg_renderer({**CONFIG.to_dict(), "feature_gain": 2.0}).decoder
    points, features = torch.rand(1, 20, 3) - 0.5, torch.randn(1, 20, 4)

    def distances(f: torch.Tensor) -> torch.Tensor:
        return decoder.distance_and_beta(f, points)[0]

    assert torch.equal(distances(features), distances(torch.zeros_like(features)))
    decoder.notice_features(0.05)
    assert not torch.allclose(distances(features), distances(torch.zeros_like(features)))
    doubled = wysiwyg_renderer({**CONFIG.to_dict(), "feature_gain": 4.0}).decoder
    doubled.load_state_dict(decoder.state_dict())
    torch.testing.assert_close(
        distances(2 * features), doubled.distance_and_beta(features, points)[0]
    )


@pytest.mark.parametrize("network", ["wysiwyg64", "puppets64"])
def test_an_autoencoder_begins_no_signed_distance(network):
    config = compose("pretrain", "experiment=warm_start", f"teacher_network={network}")
    if network == "puppets64":
        assert isinstance(build_module(config, images_of_noise()), TeacherAutoencoder)
    else:
        with pytest.raises(ValueError, match=r"autoencoder begins an EG3D .* 'wysiwyg'"):
            build_module(config, images_of_noise())


@pytest.mark.parametrize(("network", "together"), [("puppets64", 2), ("wysiwyg64", 4)])
def test_a_growth_that_the_sampler_cannot_cast_is_refused_before_it_is_reached(network, together):
    given = ("pretrain", f"teacher_network={network}")
    build_module(compose(*given, "schedule.growth=[[0,32],[8,64]]"), images_of_noise())
    config = compose(*given, f"schedule.growth=[[0,32],[8,{48 + together // 2}]]")
    with pytest.raises(ValueError, match=rf"from 8 images on.* a multiple of {together}"):
        build_module(config, images_of_noise())
