"""The lifter: an encoder and the renderer that it draws with. It is what is trained, saved and
shipped.
"""

import copy
import dataclasses
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

import students
from pipeline.runs.files import write_bytes
from teachers.checkpoint import bundled_or_here
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane
from teachers.teacher import Teacher

LIFTER_SCHEMA = 1
BUNDLED = Path(students.__file__).resolve().parent / "pretrained"
"""The students that travel with the package."""

OWN_PACKAGES = ("students", "teachers")
"""The packages whose classes and functions a lifter file may name."""


@dataclass(frozen=True)
class Recipe:
    """How a network is built, without its weights: a class or function of our own packages and
    plain arguments.
    """

    target: str
    arguments: dict[str, Any]

    def build(self) -> nn.Module:
        """The network, with fresh weights.

        Raises:
            ValueError: the target is not ours, doesn't exist, or doesn't take these arguments.
        """
        module, _, name = self.target.rpartition(".")
        if module.split(".")[0] not in OWN_PACKAGES:
            raise ValueError(
                f"refusing to build {self.target!r}: a lifter is made of"
                f" {' and '.join(OWN_PACKAGES)} only"
            )
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"{self.target!r} is not in this version of trilift: {error}"
            ) from error
        if str(getattr(found, "__module__", "")).split(".")[0] not in OWN_PACKAGES or not callable(
            found
        ):
            raise ValueError(
                f"refusing to build {self.target!r}: it is defined outside"
                f" {' and '.join(OWN_PACKAGES)}"
            )
        try:
            built = found(**self.arguments)
        except TypeError as error:
            raise ValueError(f"{self.target} cannot be built as the file says: {error}") from error
        if not isinstance(built, nn.Module):
            raise ValueError(
                f"refusing to use {self.target!r}: it builds a {type(built).__name__}, not a"
                " network"
            )
        return built


class Lifter(nn.Module):
    """One photograph → triplane → pictures from any camera.

    Args:
        encoder: image → planes.
        renderer: triplane, camera → rendering; starts as a copy of the teacher's.
        passport: of the teacher whose planes the encoder answers with.
        encoder_recipe, renderer_recipe: how the two are built; they travel with the weights.
        step: optimiser updates that went into it.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module,
        renderer: TriplaneRenderer,
        passport: Passport,
        encoder_recipe: Recipe,
        renderer_recipe: Recipe,
        step: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.renderer = renderer
        self.passport = passport
        self.recipes = {"encoder": encoder_recipe, "renderer": renderer_recipe}
        self.step = step

    @classmethod
    def from_teacher(
        cls, *, encoder: nn.Module, encoder_recipe: Recipe, teacher: Teacher
    ) -> "Lifter":
        """An encoder with a frozen copy of the teacher's renderer.

        Raises:
            ValueError: the teacher's super-resolution takes a latent that no photograph comes with.
        """
        if teacher.passport.sr_latent == "teacher_w":
            raise ValueError(
                f"the super-resolution of teacher {teacher.passport.name!r} takes each identity's"
                " own w (sr_latent=teacher_w), which a student doesn't have: convert the"
                " checkpoint with sr_latent=w_mean, or with constant_one if it was trained for"
                " that"
            )
        return cls(
            encoder=encoder,
            renderer=copy.deepcopy(teacher.renderer).requires_grad_(False),
            passport=teacher.passport,
            encoder_recipe=encoder_recipe,
            renderer_recipe=Recipe(*teacher.renderer_recipe()),
        )

    def lift(self, image: Float[Tensor, "batch 3 height width"]) -> Triplane:
        """Pictures in [-1, 1] → the triplanes of their identities."""
        return Triplane(self.encoder(image), self.passport.plane_axes, self.passport.box_size)

    def render(
        self, triplane: Triplane, camera: Camera, jitter: RayJitter | None = None
    ) -> Rendering:
        """One picture per row of triplane and camera; without jitter the same one every time."""
        return self.renderer(triplane, camera, None, jitter)

    def start_from(self, path: Path, *, other_teacher: bool = False) -> list[str]:
        """Takes over the weights of a student that has been trained before.

        Args:
            path: its file.
            other_teacher: it may be another teacher's (LP3D's cats start from its faces): then the
                encoder alone is taken over, and of it what has the same name and shape; the
                renderer stays that of the teacher here, and both licences hold.

        Returns:
            the names of the encoder's weights that stay fresh.

        Raises:
            ValueError: it is another teacher's, or of another architecture, and that wasn't asked
                for; or nothing of it fits.
        """
        other = Lifter.load(path)
        if not other_teacher:
            self.passport.require_same(other.passport, mine="the configuration", others=str(path))
        source = other.encoder.state_dict() if other_teacher else other.state_dict()
        target = self.encoder.state_dict() if other_teacher else self.state_dict()
        fitting = {
            name: value
            for name, value in source.items()
            if name in target and value.shape == target[name].shape
        }
        fresh = sorted(set(target) - set(fitting))
        if not fitting or (fresh and not other_teacher):
            raise ValueError(
                f"{len(fresh)} of {len(target)} weights of this student ({', '.join(fresh[:3])})"
                f" are not in {path}, or of another shape: that is a student of another"
                " architecture, take the same student="
            )
        with torch.no_grad():
            for name, value in fitting.items():
                target[name].copy_(value)
        if other.passport.licence != self.passport.licence:
            licence = (
                f"{self.passport.licence} Started from a student of {other.passport.name!r}:"
                f" {other.passport.licence}"
            )
            self.passport = dataclasses.replace(self.passport, licence=licence)
        return fresh

    def save(self, path: Path) -> None:
        """Writes one .safetensors file; whoever reads it sees the old one or the whole new one."""
        description = {
            "schema": LIFTER_SCHEMA,
            "step": self.step,
            "passport": json.loads(self.passport.to_json()),
            **{
                part: {"target": recipe.target, "arguments": recipe.arguments}
                for part, recipe in self.recipes.items()
            },
        }
        tensors = {
            name: value.detach().to("cpu", copy=True).contiguous()
            for name, value in self.state_dict().items()
        }
        content = safetensors.torch.save(tensors, metadata={"lifter": json.dumps(description)})
        write_bytes(path, content)

    @classmethod
    def load(cls, path: Path) -> "Lifter":
        """Reads what `save` wrote, onto the CPU, in evaluation mode; "bundled/NAME" is a student
        that travels with trilift.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a lifter, of another version, or damaged.
        """
        path = student_file(path)
        description = _description(path)
        encoder, renderer = (
            Recipe(**description[part]).build() for part in ("encoder", "renderer")
        )
        if not isinstance(renderer, TriplaneRenderer):
            raise ValueError(
                f"{path} draws with a {type(renderer).__name__}, which is no renderer of triplanes"
            )
        lifter = cls(
            encoder=encoder,
            renderer=renderer,
            passport=Passport.from_dict(description["passport"]),
            encoder_recipe=Recipe(**description["encoder"]),
            renderer_recipe=Recipe(**description["renderer"]),
            step=int(description["step"]),
        )
        try:
            lifter.load_state_dict(safetensors.torch.load_file(path))
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(
                f"the weights in {path} don't fit the network that it describes: {error}"
            ) from error
        return lifter.eval()


def student_file(path: Path | str) -> Path:
    """Where a student lies: "bundled/NAME.safetensors" is one that travels with trilift, unless
    there is such a file here.
    """
    return bundled_or_here(path, BUNDLED)


def _description(path: Path) -> dict[str, Any]:
    """The JSON of a lifter file, with the keys that a reader needs."""
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no student at {path}: distil one first (`trilift distill`), or give the path"
            " of a student.safetensors"
        )
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("lifter")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if text is None:
        raise ValueError(
            f"{path} has weights but doesn't say of what: it is not a student that trilift has"
            " written"
        )
    try:
        description = json.loads(text)
        schema = description["schema"]
        if schema != LIFTER_SCHEMA:
            raise ValueError(
                f"{path} is a student of schema {schema!r}, this trilift reads {LIFTER_SCHEMA}"
            )
        if not all(
            set(description[part]) == {"target", "arguments"} for part in ("encoder", "renderer")
        ):
            raise KeyError("target, arguments")
        return {key: description[key] for key in ("step", "passport", "encoder", "renderer")}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"the description in {path} is damaged: {error!r}") from error
