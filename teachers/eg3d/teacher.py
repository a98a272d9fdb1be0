"""EG3D as a frozen teacher, and the folder that it is kept in."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane

from .configuration import EG3DConfiguration
from .discriminator import Discriminator
from .generator import Generator


def eg3d_passport(config: EG3DConfiguration, *, name: str, source_hash: str, licence: str) -> Passport:
    """The passport that follows from a configuration."""
    return Passport(
        kind="eg3d",
        name=name,
        plane_axes=config.plane_axes,
        plane_channels=config.plane_channels,
        plane_resolution=config.plane_resolution,
        box_size=config.box_size,
        near=config.near,
        far=config.far,
        focal=config.focal,
        camera_radius=config.camera_radius,
        camera_pivot=config.camera_pivot,
        render_resolution=config.render_resolution,
        image_resolution=config.image_resolution,
        depth_samples=config.depth_samples,
        importance_samples=config.importance_samples,
        background=config.background,
        super_resolution=config.super_resolution,
        sr_latent=config.sr_latent,
        source_hash=source_hash,
        licence=licence,
        options=config.options,
    )


class EG3DTeacher(nn.Module):
    """A frozen generator (see `Teacher`): never trained, always in evaluation mode, differentiable in its inputs.

    Args:
        generator: its networks; their parameters stop requiring gradients.
        passport: written beside the weights.
    """

    def __init__(self, generator: Generator, passport: Passport) -> None:
        super().__init__()
        self.generator = generator.eval().requires_grad_(False)
        self.passport = passport
        self.z_dim = generator.config.z_dim

    @property
    def renderer(self) -> TriplaneRenderer:
        """What draws its planes."""
        return self.generator.renderer

    @property
    def configuration(self) -> EG3DConfiguration:
        """What the generator was built from."""
        return self.generator.config

    def renderer_recipe(self) -> tuple[str, dict[str, Any]]:
        """See `Teacher.renderer_recipe`."""
        return "teachers.eg3d.generator.eg3d_renderer", {"configuration": self.configuration.to_dict()}

    def map_latents(
        self, z: Float[Tensor, "batch z_dim"], camera: Camera | None = None, *, truncation: float = 1.0
    ) -> Float[Tensor, "batch layer w_dim"]:
        """See `Teacher.map_latents`; without a camera the frontal one conditions."""
        return self.generator.map_latents(z, camera, truncation=truncation)

    def synthesize(self, ws: Float[Tensor, "batch layer w_dim"]) -> Triplane:
        """See `Teacher.synthesize`."""
        return self.generator.synthesize(ws)

    def render(
        self, triplane: Triplane, camera: Camera, *, ws: Float[Tensor, "batch layer w_dim"] | None = None, jitter: RayJitter | None = None
    ) -> Rendering:
        """See `Teacher.render`."""
        return self.generator.renderer(triplane, camera, ws, jitter)

    def mean_latent(self) -> Float[Tensor, "1 layer w_dim"]:
        """The running mean of w, for every layer."""
        return self.generator.backbone.mapping.w_avg[None, None].expand(1, self.generator.backbone.synthesis.num_ws, -1)

    def train(self, mode: bool = True) -> "EG3DTeacher":
        """Stays in evaluation mode whatever its owner does."""
        return super().train(False)

    def with_rendering(self, *, depth_samples: int | None = None, importance_samples: int | None = None) -> "EG3DTeacher":
        """The same networks with other numbers of ray samples, and a passport that says so."""
        changes = {
            key: value for key, value in (("depth_samples", depth_samples), ("importance_samples", importance_samples)) if value is not None
        }
        generator = Generator(dataclasses.replace(self.configuration, **changes))
        generator.load_state_dict(self.generator.state_dict())
        return EG3DTeacher(generator, dataclasses.replace(self.passport, **changes))


def load_eg3d(folder: Path) -> EG3DTeacher:
    """Reads a teacher folder: config.json, passport.json, generator.safetensors.

    Raises:
        ValueError: a file is damaged, or the weights don't fit the configuration.
        FileNotFoundError: a file is missing.
    """
    config = EG3DConfiguration.from_dict(json.loads((folder / "config.json").read_text()))
    generator = Generator(config)
    state = load_file(folder / "generator.safetensors")
    wanted = generator.state_dict()
    missing, unknown = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    if missing or unknown:
        raise ValueError(f"{folder}/generator.safetensors does not fit its config.json: missing {missing[:5]}, unknown {unknown[:5]}: convert it again")
    generator.load_state_dict(state)
    return EG3DTeacher(generator, Passport.read(folder / "passport.json"))


def save_eg3d(folder: Path, teacher: EG3DTeacher, discriminator: Discriminator | None = None, extra: dict[str, str] | None = None) -> None:
    """Writes a teacher folder as a whole: to a temporary name, then renamed over what was there.

    Args:
        folder: its final name.
        discriminator: what a student's adversarial stage starts from.
        extra: further text files by name (`card.md`, `scores.json`).
    """
    writing = folder.with_name(f"{folder.name}~writing")
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    (writing / "config.json").write_text(json.dumps(teacher.configuration.to_dict(), indent=2))
    (writing / "passport.json").write_text(teacher.passport.to_json())
    save_file({name: value.contiguous() for name, value in teacher.generator.state_dict().items()}, writing / "generator.safetensors")
    if discriminator is not None:
        save_file({name: value.contiguous() for name, value in discriminator.state_dict().items()}, writing / "discriminator.safetensors")
    for name, text in (extra or {}).items():
        (writing / name).write_text(text)
    shutil.rmtree(folder, ignore_errors=True)
    writing.rename(folder)


def start_from(generator: Generator, discriminator: Discriminator, folder: Path) -> None:
    """Takes the weights of a teacher folder over into networks that will be trained further.

    Raises:
        ValueError: they are of another shape.
    """
    for network, name in ((generator, "generator"), (discriminator, "discriminator")):
        path = folder / f"{name}.safetensors"
        try:
            network.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise ValueError(f"{path} does not fit the network that is to be trained: {error}") from error


def weights_sha256(generator: Generator) -> str:
    """Hash of a generator's weights: the source of a teacher that was trained here."""
    digest = hashlib.sha256()
    for name, value in sorted(generator.state_dict().items()):
        digest.update(name.encode() + value.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
