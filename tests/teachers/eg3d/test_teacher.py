"""EG3D as a frozen teacher, and its folder."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from teachers.checkpoint import load_teacher
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator
from teachers.eg3d.teacher import EG3DTeacher, save_eg3d, start_from, weights_sha256
from teachers.rendering.camera import Camera
from teachers.teacher import Teacher
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings, tiny_discriminator

TINY = smallest_eg3d_settings(8, prior_ellipsoids=[[0.0, 0.0, 0.0, 0.2, 0.2, 0.2]])


@pytest.fixture
def teacher() -> EG3DTeacher:
    return untrained_teacher(TINY)


def z(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(1))


def cameras(*yaws: float) -> Camera:
    return Camera.orbit(torch.tensor(yaws), torch.zeros(len(yaws)), pivot=(0.0, 0.0, 0.2))


def test_it_is_a_teacher_that_never_trains(teacher):
    assert isinstance(teacher, Teacher)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not teacher.train().training
    torch.nn.ModuleList([teacher]).train()
    assert not any(module.training for module in teacher.modules())


def test_planes_made_once_serve_many_cameras(teacher):
    triplane = teacher.synthesize(teacher.map_latents(z(1)))
    views = cameras(-0.4, 0.0, 0.4)
    together = teacher.render(triplane.repeat_interleave(3), views)
    for view in range(3):
        alone = teacher.render(triplane, views[view : view + 1])
        assert torch.allclose(together.image[view : view + 1], alone.image, atol=1e-5)
    assert not torch.allclose(together.image[0], together.image[2])


def test_it_is_differentiable_in_latents_planes_and_cameras(teacher):
    ws, yaw = (
        teacher.map_latents(z(1)).clone().requires_grad_(),
        torch.tensor([0.1], requires_grad=True),
    )
    triplane = teacher.synthesize(ws)
    triplane.planes.retain_grad()
    teacher.render(triplane, Camera.orbit(yaw, torch.zeros(1))).image.square().sum().backward()
    assert (ws.grad.abs().amax((0, 2)) > 0).all()
    assert (triplane.planes.grad.abs().amax((0, 2, 3, 4)) > 0).all()
    assert yaw.grad.abs() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_mean_latent_is_truncation_zero(teacher):
    teacher.generator.backbone.mapping.w_avg.normal_()
    assert torch.allclose(
        teacher.map_latents(z(), truncation=0.0), teacher.mean_latent().expand(2, -1, -1)
    )


def test_a_saved_teacher_comes_back_bit_for_bit(teacher, tmp_path):
    critic = tiny_discriminator(8, 3)
    save_eg3d(tmp_path / "teacher", teacher, critic, {"card.md": "Who made me."})
    assert sorted(path.name for path in (tmp_path / "teacher").iterdir()) == [
        "card.md", "config.json", "discriminator.json", "discriminator.safetensors",
        "generator.safetensors", "passport.json",
    ]  # fmt: skip
    again = load_teacher(tmp_path / "teacher")
    assert (again.passport, again.configuration) == (teacher.passport, teacher.configuration)
    assert all(
        torch.equal(value, again.state_dict()[name]) for name, value in teacher.state_dict().items()
    )
    picture, same = (
        t.render(t.synthesize(t.map_latents(z())), cameras(0.0, 0.3)) for t in (teacher, again)
    )
    assert torch.equal(picture.image, same.image)


def test_weights_that_do_not_fit_are_named(teacher, tmp_path):
    save_eg3d(tmp_path / "teacher", teacher)
    path = tmp_path / "teacher" / "generator.safetensors"
    state = load_file(path)
    some = "backbone.mapping.fc0.bias"
    save_file({name: value for name, value in state.items() if name != some}, path)
    with pytest.raises(ValueError, match=rf"1 missing \({some}\)"):
        load_teacher(tmp_path / "teacher")
    save_file({**state, "stranger": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"1 unknown \(stranger\)"):
        load_teacher(tmp_path / "teacher")
    save_file({**state, some: torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=rf"{some} \(3,\) for \(8,\)"):
        load_teacher(tmp_path / "teacher")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        load_teacher(tmp_path / "teacher")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"generator\.safetensors is missing"):
        load_teacher(tmp_path / "teacher")


def test_a_configuration_from_another_version_is_refused(teacher, tmp_path):
    save_eg3d(tmp_path / "teacher", teacher)
    path = tmp_path / "teacher" / "config.json"
    path.write_text(json.dumps({**teacher.configuration.to_dict(), "novelty": 1}))
    with pytest.raises(ValueError, match="novelty"):
        load_teacher(tmp_path / "teacher")
    path.write_text(json.dumps({**teacher.configuration.to_dict(), "first_pass": "~"}))
    with pytest.raises(ValueError, match=r"config\.json: first_pass is '~'"):
        load_teacher(tmp_path / "teacher")
    path.write_text("{")
    with pytest.raises(ValueError, match=r"config\.json isn't JSON"):
        load_teacher(tmp_path / "teacher")


def test_training_starts_from_both_networks_of_a_folder(teacher, tmp_path):
    critic = tiny_discriminator(8, 3)
    save_eg3d(tmp_path / "teacher", teacher, critic)
    config = EG3DConfiguration.from_dict(TINY)
    generator, fresh = Generator(config), tiny_discriminator(8, 3, seed=1)
    start_from(generator, fresh, tmp_path / "teacher")
    assert weights_sha256(generator) == weights_sha256(teacher.generator)
    assert all(
        torch.equal(value, fresh.state_dict()[name]) for name, value in critic.state_dict().items()
    )
    other = Generator(dataclasses.replace(config, w_dim=6))
    with pytest.raises(ValueError, match=r"generator.safetensors does not fit.*of another shape"):
        start_from(other, fresh, tmp_path / "teacher")
    (tmp_path / "teacher" / "discriminator.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="discriminator"):
        start_from(generator, fresh, tmp_path / "teacher")


def test_passports_of_teachers_of_other_weights_do_not_agree(teacher):
    with pytest.raises(ValueError, match="source_hash"):
        teacher.passport.require_same(
            untrained_teacher(TINY, seed=1).passport, mine="one", others="other"
        )


@torch.no_grad()
@pytest.mark.parametrize("name", ["puppets", "puppets_wysiwyg", "heads"])
def test_a_bundled_teacher_draws_different_people_from_the_weights_that_its_passport_names(name):
    teacher = load_teacher(f"bundled/{name}")
    assert teacher.passport.name == name
    z = torch.randn(3, teacher.z_dim, generator=torch.Generator().manual_seed(1))
    camera = teacher.passport.orbit(torch.zeros(3))
    ws = teacher.map_latents(z, camera)
    rendering = teacher.render(teacher.synthesize(ws), camera, ws=ws)
    middle = slice(24, 40)
    solid = rendering.opacity[..., middle, middle] > 0.99
    # a learned sampler leaves specks where rays graze glasses
    assert solid.float().mean() > 0.98 if name == "puppets_wysiwyg" else solid.all()
    assert (rendering.opacity[..., 0, 0] < 0.01).sum() >= 2  # one of the heads has a floater there
    first, *others = rendering.image.unbind(0)
    assert all((first - other).square().mean().sqrt() > 0.15 for other in others)
