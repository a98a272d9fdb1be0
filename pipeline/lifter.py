"""The lifter, an encoder with its teacher's renderer: what is trained, saved and shipped."""

import copy
import dataclasses
import importlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from pipeline.runs.renamed import current, moved
from pipeline.runs.tensor_file import safetensors_metadata, write_tensors
from pipeline.runs.trust import how_to_import, how_to_trust, trusted_packages
from teachers.passport import Passport
from teachers.plain_values import parse_json, require_shape
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import Renderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane
from teachers.teacher import Teacher

SCHEMA = 2
"""Of the files that are written; those of schema 1, which name no kind, are read as well."""

KIND = "lifter"
"""The kind of a `Lifter`; a subclass's kind is its address."""

OWN_PACKAGES = ("students", "teachers")
"""The packages whose classes and functions a student's file may name without being trusted."""


@dataclass(frozen=True)
class Recipe:
    """How a network is built, without its weights.

    Attributes:
        target: address of a class or function, as in "students.two_stage.TwoStageEncoder".
        arguments: plain values; JSON can hold them.
    """

    target: str
    arguments: dict[str, Any]

    def build(self, trust: Collection[str] = ()) -> nn.Module:
        """The network, freshly initialised.

        Args:
            trust: packages besides ours whose code may run.

        Raises:
            ValueError: the target's package isn't trusted, the target doesn't exist, or it doesn't
                take these arguments.
        """
        found = _locate(self.target, trust)
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
    """One photograph → triplane → renderings from any camera.

    Args:
        encoder: image → planes.
        renderer: triplane, camera → rendering; starts as a copy of the teacher's.
        passport: of the teacher whose planes the encoder predicts.
        encoder_recipe, renderer_recipe: how the two are built; saved with the weights.
        step: optimiser updates so far.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module,
        renderer: Renderer,
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

    @property
    def image_size(self) -> int:
        """Side of the images that the encoder was made for, pixels."""
        return int(getattr(self.encoder, "image_size"))  # noqa: B009 (nn.Module types it Tensor)

    @classmethod
    def from_teacher(
        cls, *, encoder: nn.Module, encoder_recipe: Recipe, teacher: Teacher
    ) -> "Lifter":
        """An encoder with a frozen copy of the teacher's renderer.

        Raises:
            ValueError: the teacher's super-resolution takes each identity's own w, which a
                photograph doesn't come with.
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
        """Images in [-1, 1] → the triplanes of their identities."""
        return self.passport.triplane(self.encoder(image))

    def render(
        self, triplane: Triplane, camera: Camera, jitter: RayJitter | None = None
    ) -> Rendering:
        """One rendering for each row of triplane and camera; deterministic without jitter."""
        return self.renderer(triplane, camera, None, jitter)

    def start_from(self, path: Path, *, other_teacher: bool = False) -> list[str]:
        """Initialises the weights with those of a trained student.

        Args:
            path: its file.
            other_teacher: it may be another teacher's (LP3D's cats start from its faces). Then only
                the encoder's weights of equal name and shape are taken; the renderer stays, and
                both licences hold.

        Returns:
            the names of the encoder's weights that stay freshly initialised.

        Raises:
            ValueError: the student is another teacher's or of another architecture although
                `other_teacher` is false; or none of its weights fits.
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
        # without some of the layers that they were trained with, the others make other planes
        lost = sorted(set(source) - set(target))
        if lost and not other_teacher:
            raise ValueError(
                f"{len(lost)} of {len(source)} weights in {path} ({', '.join(lost[:3])}) have no"
                " place in this student: it has fewer layers, take the same student="
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
        own = self.passport.training_data
        if more := [entry for entry in other.passport.training_data if entry not in own]:
            self.passport = dataclasses.replace(self.passport, training_data=(*own, *more))
        return fresh

    def description(self) -> dict[str, Any]:
        """What a file says besides the weights, as JSON can hold it: schema, kind, step, passport
        and both recipes.
        """
        cls = type(self)
        return {
            "schema": SCHEMA,
            "kind": KIND if cls is Lifter else f"{cls.__module__}.{cls.__qualname__}",
            "step": self.step,
            "passport": json.loads(self.passport.to_json()),
            **{part: dataclasses.asdict(recipe) for part, recipe in self.recipes.items()},
        }

    def save(self, path: Path) -> None:
        """Writes one .safetensors file with the `description` in its metadata, atomically."""
        write_tensors(path, self.state_dict(), {"lifter": json.dumps(self.description())})

    @classmethod
    def load(cls, path: Path, *, trust: Collection[str] = ()) -> "Lifter":
        """Reads what `save` wrote, onto the CPU, in evaluation mode.

        Args:
            path: the file (`pipeline.inference.pretrained.student_file` finds it by name).
            trust: packages besides ours whose code the file may name.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a student's file, of an unknown schema or kind, names code of an
                untrusted package, or is damaged.
        """
        description = read_description(path)
        kind = _kind(path, description["kind"], trust)
        recipes = {
            "encoder": _recipe(description["encoder"]),
            "renderer": _recipe(description["renderer"]),
        }
        encoder, renderer = (recipe.build(trust) for recipe in recipes.values())
        if not isinstance(renderer, Renderer):
            raise ValueError(
                f"{path} names a {type(renderer).__name__} as its renderer, which renders no"
                " triplanes"
            )
        lifter = kind(
            encoder=encoder,
            renderer=renderer,
            passport=Passport.from_dict(description["passport"], str(path)),
            encoder_recipe=recipes["encoder"],
            renderer_recipe=recipes["renderer"],
            step=int(description["step"]),
        )
        try:
            lifter.load_state_dict(safetensors.torch.load_file(path))
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(
                f"the weights in {path} don't fit the network that it describes: {error}"
            ) from error
        return lifter.eval()


class StoredRecipe(TypedDict):
    """A part of a student, in its file."""

    target: str
    arguments: dict[str, Any]


class Description(TypedDict):
    """What a student's file says besides the weights."""

    kind: str
    step: int
    passport: dict[str, Any]
    encoder: StoredRecipe
    renderer: StoredRecipe


def read_description(path: Path) -> Description:
    """The description in a student's file, in the form of the present schema."""
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no student at {path}: distil one first (`trilift distill`), or give the path"
            " of a student.safetensors"
        )
    text = safetensors_metadata(path).get("lifter")
    if text is None:
        raise ValueError(
            f"{path} has weights but doesn't say of what: it is not a student that trilift has"
            " written"
        )
    source = f"the description in {path}"
    description = parse_json(text, source, dict[str, Any])
    schema = description.get("schema")
    if schema not in (1, SCHEMA):
        raise ValueError(
            f"{path} is a student of schema {schema!r}, this trilift reads 1 and {SCHEMA}"
        )
    if schema == 1:
        description["kind"] = KIND
    return require_shape(description, Description, source)


def _recipe(stored: StoredRecipe) -> Recipe:
    """A stored recipe; arguments of others' classes keep their names, whatever ours were called."""
    is_own = stored["target"].split(".")[0] in OWN_PACKAGES
    arguments = stored["arguments"]
    return Recipe(moved(stored["target"]), current(arguments) if is_own else arguments)


def _kind(path: Path, kind: str, trust: Collection[str]) -> type[Lifter]:
    """The class of a student: `Lifter`, or a subclass in a trusted package."""
    if kind == KIND:
        return Lifter
    if "." not in kind:
        raise ValueError(
            f"{path} holds a student of kind {kind!r}; this trilift reads {KIND}, or the address of"
            " a subclass of Lifter"
        )
    found = _locate(kind, trust)
    if not (isinstance(found, type) and issubclass(found, Lifter)):
        raise ValueError(f"{path} is of kind {kind!r}, which is no subclass of Lifter")
    return found


def _locate(target: str, trust: Collection[str]) -> Any:
    """The class or function at an address, if it is defined in our packages or a trusted one.

    The module in which it is *defined* counts as well: an address may lead through an imported name
    (`students.two_stage.Path`).
    """
    module, _, name = target.rpartition(".")
    _require_trusted(target, module, trust)
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        package = module.split(".")[0]
        advice = "" if package in OWN_PACKAGES else f"; {how_to_import(package)}"
        raise ValueError(
            f"{target!r} is not in this version of {package}: {error}{advice}"
        ) from error
    _require_trusted(target, str(getattr(found, "__module__", "")), trust)
    if not callable(found):
        raise ValueError(f"refusing to build {target!r}: it is neither a class nor a function")
    return found


def _require_trusted(target: str, module: str, trust: Collection[str]) -> None:
    package = module.split(".")[0]
    if package not in {*OWN_PACKAGES, *trust, *trusted_packages()}:
        raise ValueError(
            f"refusing to build {target!r}, which is defined in {package!r}: without further trust"
            f" a student is made of {' and '.join(OWN_PACKAGES)} only; {how_to_trust(package)}"
        )
