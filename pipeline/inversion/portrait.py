"""The identity that an inversion found, in the form of a student's lift."""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.lifter import Lifter, Recipe
from students.stored_planes import StoredPlanes
from teachers.eg3d.superresolution import SuperResolution
from teachers.panohead.renderer import PanoHeadRenderer
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import Renderer
from teachers.rendering.triplane import Triplane
from teachers.teacher import Teacher

from .descent import Course


class InvertedPortrait(LiftedPortrait):
    """An identity that was found by inversion. Its lifter lifts every image to this identity, and
    can be saved.

    Args:
        lifter: whose renderer is used.
        triplane: of the identity.
        camera: of the input view, given or optimised.
        courses: of the descents, in order.
        notes: on what went wrong, a sentence each.
    """

    def __init__(
        self,
        lifter: Lifter,
        triplane: Triplane,
        *,
        camera: Camera,
        courses: Sequence[Course],
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(lifter, triplane)
        self.camera = camera
        self.courses = tuple(courses)
        self.notes = tuple(notes)

    @property
    def losses(self) -> list[float]:
        """The loss at the input view before each update of every descent."""
        return [loss for course in self.courses for loss in course.losses]

    def report(self) -> dict[str, Any]:
        """For JSON: the losses, the camera as EG3D's label, the notes."""
        return {
            "losses": [round(loss, 6) for loss in self.losses],
            "camera": self.camera.label()[0].tolist(),
            "notes": list(self.notes),
        }


@torch.no_grad()
def identity_of(
    teacher: Teacher,
    ws: Float[Tensor, "1 layer w_dim"],
    *,
    name: str,
    camera: Camera,
    courses: Sequence[Course],
    notes: Sequence[str] = (),
) -> InvertedPortrait:
    """The identity of a latent, with a copy of the teacher's renderer.

    If super-resolution and raw image take each identity's own w, the copy stores this one in place
    of the mean.

    Args:
        teacher: that was searched, or a tuned copy.
        ws: the latent.
        name: is appended to the teacher's name in the passport.
        camera, courses, notes: see `InvertedPortrait`.

    Raises:
        ValueError: ws differ, and the renderer reads them all.
    """
    if (ws != ws[:, -1:]).any():
        require_one_latent(teacher)
    passport, renderer = teacher.passport, copy.deepcopy(teacher.renderer).requires_grad_(False)
    target, arguments = teacher.renderer_recipe()
    readers = [
        part
        for part in renderer.modules()
        if isinstance(part, SuperResolution | PanoHeadRenderer) and part.latent == "teacher_w"
    ]
    if readers:
        for part in readers:
            part.latent = "w_mean"
            part.w_mean.copy_(ws[0, -1])
        passport = dataclasses.replace(passport, sr_latent="w_mean")
        arguments = {
            **arguments,
            "configuration": {**arguments["configuration"], "sr_latent": "w_mean"},
        }
    passport = dataclasses.replace(passport, name=f"{passport.name}, {name}")
    triplane = teacher.synthesize(ws)
    lifter = lifter_of_one(triplane, renderer, passport, Recipe(target, arguments))
    return InvertedPortrait(lifter, triplane, camera=camera, courses=courses, notes=notes)


def require_one_latent(teacher: Teacher) -> None:
    """Raises ValueError unless an identity whose layers have different latents can be stored."""
    renderer = teacher.renderer
    if isinstance(renderer, PanoHeadRenderer) and renderer.reads_all_ws:
        raise ValueError(
            f"the background network of teacher {teacher.passport.name!r} takes a w for each layer"
            " (sr_latent=teacher_w), and an identity stores one, so that a latent of W+ can't be"
            " kept: use method=w or pti, or convert the checkpoint with sr_latent=w_mean"
        )


@torch.no_grad()
def lifter_of_one(
    triplane: Triplane, renderer: Renderer, passport: Passport, renderer_recipe: Recipe
) -> Lifter:
    """A lifter that lifts every image to one identity.

    Args:
        triplane: of the identity; is copied.
        renderer: is used, not copied.
        passport: of the teacher whose planes these are.
        renderer_recipe: how the renderer is built.
    """
    size = {
        "plane_channels": passport.stored_channels,
        "plane_resolution": passport.plane_resolution,
    }
    arguments = {**size, "image_size": passport.image_resolution}
    encoder = StoredPlanes(**arguments).to(triplane.planes)
    encoder.planes.copy_(triplane.planes)
    return Lifter(
        encoder=encoder,
        renderer=renderer,
        passport=passport,
        encoder_recipe=Recipe("students.stored_planes.StoredPlanes", arguments),
        renderer_recipe=renderer_recipe,
    ).eval()
