"""EG3D, and what builds on it, as a frozen teacher, and the files of its folder."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from teachers.passport import Passport
from teachers.plain_values import read_json_file, require_arguments
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane

from .configuration import AnyConfiguration, EG3DConfiguration
from .discriminator import Discriminator
from .generator import Generator


def passport_of(
    config: EG3DConfiguration,
    *,
    name: str,
    source_hash: str,
    licence: str,
    training_data: tuple[dict[str, str], ...] = (),
) -> Passport:
    """The passport that follows from a configuration."""
    return Passport(
        kind=config.kind,
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
        training_data=training_data,
        **config.passport_entries,
    )


class EG3DTeacher(nn.Module):
    """A frozen generator of EG3D or of what builds on it (see `Teacher`), always in evaluation
    mode, differentiable in its inputs.

    Args:
        generator: its networks; their parameters stop requiring gradients.
        passport: written beside the weights.
    """

    def __init__(self, generator: Generator, passport: Passport) -> None:
        super().__init__()
        self.generator = generator.eval().requires_grad_(False)
        self.passport = passport
        self.z_dim = generator.config.z_dim
        self.eval()

    @property
    def renderer(self) -> TriplaneRenderer:
        """The renderer of its planes."""
        return self.generator.renderer

    @property
    def configuration(self) -> EG3DConfiguration:
        """What the generator was built from."""
        return self.generator.config

    def renderer_recipe(self) -> tuple[str, dict[str, Any]]:
        """See `Teacher.renderer_recipe`."""
        config = self.configuration
        return config.renderer_function, {"configuration": config.to_dict()}

    def map_latents(
        self,
        z: Float[Tensor, "batch z_dim"],
        camera: Camera | None = None,
        *,
        truncation: float = 1.0,
    ) -> Float[Tensor, "batch layer w_dim"]:
        """See `Teacher.map_latents`; without a camera the frontal one conditions."""
        return self.generator.map_latents(z, camera, truncation=truncation)

    def synthesize(self, ws: Float[Tensor, "batch layer w_dim"]) -> Triplane:
        """See `Teacher.synthesize`."""
        return self.generator.synthesize(ws)

    def render(
        self,
        triplane: Triplane,
        camera: Camera,
        *,
        ws: Float[Tensor, "batch layer w_dim"] | None = None,
        jitter: RayJitter | None = None,
    ) -> Rendering:
        """See `Teacher.render`."""
        return self.generator.renderer(triplane, camera, ws, jitter)

    def mean_latent(self) -> Float[Tensor, "1 layer w_dim"]:
        """The running mean of w, for every layer."""
        return self.generator.backbone.mapping.w_avg[None, None].expand(
            1, self.generator.backbone.synthesis.num_ws, -1
        )

    def train(self, mode: bool = True) -> "EG3DTeacher":
        """Stays in evaluation mode whatever its owner does."""
        return super().train(False)


def load_frozen(
    folder: Path,
    configuration: type[AnyConfiguration],
    generator: Callable[[AnyConfiguration], Generator],
) -> EG3DTeacher:
    """Reads a teacher folder: config.json, passport.json, generator.safetensors.

    Args:
        folder: where they are.
        configuration: what config.json holds.
        generator: its networks, untrained.

    Raises:
        ValueError: a file is damaged, or the weights don't fit the configuration.
        FileNotFoundError: a file is missing.
    """
    path = folder / "config.json"
    given = configuration.from_dict(read_json_file(path, dict[str, Any]), str(path))
    try:
        networks = generator(given)
    except ValueError as error:  # of values that nothing can be built from
        raise ValueError(f"{path}: {error}") from error
    _load_weights(
        networks, folder / "generator.safetensors", "its config.json", advice=": convert it again"
    )
    return EG3DTeacher(networks, Passport.read(folder / "passport.json"))


def load_discriminator(folder: Path) -> Discriminator:
    """Reads the discriminator of a teacher folder; trainable.

    Raises:
        FileNotFoundError: the folder has none.
        ValueError: a file is damaged, or the weights don't fit its discriminator.json.
    """
    path, description = folder / "discriminator.safetensors", folder / "discriminator.json"
    missing = [file.name for file in (path, description) if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"the teacher in {folder} has no discriminator ({' and '.join(missing)} missing), and"
            " an adversarial stage starts from it: convert a snapshot that has one, or write the"
            " teacher anew with `trilift pretrain`"
        )
    values = read_json_file(description, dict[str, Any])
    require_arguments(Discriminator, values, str(description))
    try:
        discriminator = Discriminator(**values)
    except TypeError as error:
        raise ValueError(
            f"{description} does not describe a discriminator of this version of trilift: {error}"
        ) from error
    _load_weights(discriminator, path, "its discriminator.json")
    return discriminator


def save_eg3d(
    folder: Path,
    teacher: EG3DTeacher,
    discriminator: Discriminator | None = None,
    extra: dict[str, str] | None = None,
) -> None:
    """Writes the files of a teacher folder.

    Args:
        folder: where to; made when missing. A caller that replaces a folder writes beside it first.
        discriminator: what a student's adversarial stage starts from; written with what it was
            constructed with.
        extra: further text files by name (`card.md`, `scores.json`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(teacher.configuration.to_dict(), indent=2))
    (folder / "passport.json").write_text(teacher.passport.to_json())
    save_file(
        {name: value.contiguous() for name, value in teacher.generator.state_dict().items()},
        folder / "generator.safetensors",
    )
    if discriminator is not None:
        save_file(
            {name: value.contiguous() for name, value in discriminator.state_dict().items()},
            folder / "discriminator.safetensors",
        )
        (folder / "discriminator.json").write_text(json.dumps(discriminator.arguments, indent=2))
    for name, text in (extra or {}).items():
        (folder / name).write_text(text)


def start_from(generator: Generator, discriminator: Discriminator, folder: Path) -> None:
    """Loads the weights of a teacher folder into networks that will be trained further.

    Raises:
        FileNotFoundError: the folder has no generator, or no discriminator.
        ValueError: they are of another shape, or a file is damaged.
    """
    for network, name in ((generator, "generator"), (discriminator, "discriminator")):
        _load_weights(
            network,
            folder / f"{name}.safetensors",
            f"the {name} that is to be trained",
            advice=": train with the settings that made it",
        )


def _load_weights(network: nn.Module, path: Path, wanted: str, advice: str = "") -> None:
    state = _read_weights(path)
    problems = _misfits(network.state_dict(), state)
    if problems:
        raise ValueError(f"{path} does not fit {wanted}: {problems}{advice}")
    network.load_state_dict(state)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a teacher folder holds its weights there")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _misfits(wanted: dict[str, Tensor], given: dict[str, Tensor]) -> str:
    """What is missing, unknown, or of another shape, in words; empty when everything fits."""
    common = [name for name in wanted if name in given and given[name].shape != wanted[name].shape]
    shapes = [
        f"{name} {tuple(given[name].shape)} for {tuple(wanted[name].shape)}" for name in common
    ]
    kinds = {
        "missing": wanted.keys() - given.keys(),
        "unknown": given.keys() - wanted.keys(),
        "of another shape": shapes,
    }
    return "; ".join(
        f"{len(found)} {kind} ({', '.join(sorted(found)[:5])})"
        for kind, found in kinds.items()
        if found
    )


def weights_sha256(generator: Generator) -> str:
    """Hash of a generator's weights: the source of a teacher that was trained here."""
    digest = hashlib.sha256()
    for name, value in sorted(generator.state_dict().items()):
        digest.update(name.encode() + value.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
