"""The student, and what was seen in the frames before: `method=fused` for films."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.fusion import (
    TrainedFuser,
    frame_visibility,
    fused_frames,
    state_of,
    state_tensors,
)
from pipeline.inference.pretrained import BUNDLED
from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.lifter import Lifter
from pipeline.runs.tensor_file import write_tensors
from students.fuser import FuserState, TriplaneFuser
from teachers.checkpoint import bundled_or_here
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane

from .method import MethodKind
from .models import Models


class Fused:
    """The student's planes of each frame, fused with those of the frames before (see `Method`).

    A photograph has no frames before: it is lifted as by the student.

    Args:
        models: with the student.
        fuser: file of a trained fuser, or "bundled/fusers/NAME"; None: frames and
            memory are weighed by what their cameras see, without learned weights.

    Raises:
        FileNotFoundError, ValueError: there is no fuser in the file, or it is for other planes.
    """

    name, title, takes_camera = "fused", "the student, fused over time", True
    kind: MethodKind = "student"

    def __init__(self, *, models: Models, fuser: str | Path | None = None) -> None:
        self.reconstructor = models.reconstructor()
        self.image_size = self.reconstructor.image_size
        self.passport = models.student.passport
        if fuser is None:
            trained = TrainedFuser.untrained(self.passport)
            self.notes: tuple[str, ...] = (
                "fuser=null: frames are weighed by visibility, without a trained fuser",
            )
        else:
            trained = TrainedFuser.load(fuser_file(fuser))
            self.passport.require_same(trained.passport, mine="the student", others=str(fuser))
            self.notes = ()
        parameter = next(models.student.parameters())
        self.fuser = trained.network.to(parameter).requires_grad_(False)

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> LiftedPortrait:
        """See `Method.lift`: one photograph, without a memory."""
        return self.reconstructor.lift(image)

    def film(self) -> "FusedFilm":
        """The frames of one face of one film, from its first one on."""
        return FusedFilm(self.reconstructor, self.fuser)


def fuser_file(name: str | Path) -> Path:
    """A fuser's file: a path, or "bundled/fusers/NAME" for one that travels with trilift."""
    path = bundled_or_here(name, BUNDLED)
    return path if path.suffix or path.is_file() else path.with_suffix(".safetensors")


class FusedFilm:
    """Lifts the frames of a film in their order; remembers what it saw.

    Args:
        reconstructor: the student.
        fuser: the network.
    """

    def __init__(self, reconstructor: Reconstructor, fuser: TriplaneFuser) -> None:
        self.reconstructor, self.fuser = reconstructor, fuser
        self.state: FuserState | None = None

    @property
    def lifter(self) -> Lifter:
        """The student."""
        return self.reconstructor.lifter

    @torch.no_grad()
    def __call__(
        self, images: Float[Tensor, "frame 3 height width"], cameras: Sequence[Camera | None]
    ) -> list[LiftedPortrait]:
        """The next frames.

        Args:
            images: squares in [-1, 1].
            cameras: that took them; one that is unknown counts as frontal.
        """
        heads = self.reconstructor.lift_batch(images)
        planes = torch.cat([head.triplane.planes for head in heads])
        triplane = heads[0].triplane.with_planes(planes)
        frontal = self.lifter.passport.orbit(torch.zeros(1))
        given = [(frontal if one is None else one).to(planes) for one in cameras]
        camera = Camera(
            torch.cat([one.cam_to_world for one in given]),
            torch.cat([one.intrinsics for one in given]),
        )
        visibility = frame_visibility(self.lifter, triplane, camera)
        frames, self.state = fused_frames(self.fuser, triplane, visibility, self.state)
        return [self._head(replace(triplane, planes=frame.planes)) for frame in frames]

    def last(self) -> LiftedPortrait | None:
        """The head of the last frame; None before the first."""
        if self.state is None:
            return None
        passport = self.lifter.passport
        return self._head(passport.triplane(self.state.planes))

    def _head(self, triplane: Triplane) -> LiftedPortrait:
        return LiftedPortrait(self.lifter, triplane)

    def forget(self) -> None:
        """The next frame begins anew: after a cut there may be another face."""
        self.state = None

    def save(self, path: Path) -> None:
        """Writes what is remembered."""
        write_tensors(path, {} if self.state is None else state_tensors(self.state))

    def restore(self, path: Path) -> None:
        """Reads what `save` wrote."""
        tensors = safetensors.torch.load_file(path)
        like = next(self.lifter.parameters())
        placed = {name: tensor.to(like) for name, tensor in tensors.items()}
        self.state = state_of(placed) if placed else None
