"""Training a fuser on turning heads of a world, after a frozen student.

The target of the planes is what the student makes of a frontal picture of the same moment (as in
Coherent3D, Wang et al., CVPR 2025); that of the views is the world's truth.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.fusion import TrainedFuser, coarse, frame_visibility, fused_frames
from pipeline.lifter import Lifter
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.worlds.turns import Turn, TurnSource
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .network_training import NetworkSettings, NetworkTraining


@dataclass(frozen=True, kw_only=True)
class FuserSettings(NetworkSettings):
    """What is trained, on what, and how.

    Attributes:
        network: arguments of `TriplaneFuser` but its channels.
        films: the training's films.
        render_side: of the views that are compared with the truth, pixels.
        hidden_weight: factor of the mean absolute error at pixels that the frame's camera doesn't
            see, beside the losses of `loss=`, which count every pixel.
        undistortion_weight: factor of the mean absolute error of the warped frame's seen texels.
    """

    films: TurnSource
    render_side: int = 32
    hidden_weight: float | int = 1.0
    undistortion_weight: float | int = 0.5
    learning_rate: float | int = 5e-4


@dataclass(frozen=True)
class LiftedTurn:
    """A film after the student, and its targets.

    Attributes:
        triplane: of each frame by itself.
        visibility: of its texels.
        target: what the student makes of a frontal picture of each moment.
        turn: the film.
    """

    triplane: Triplane
    visibility: Float[Tensor, "frame 3 1 plane_height plane_width"]
    target: Float[Tensor, "frame 3 channel plane_height plane_width"]
    turn: Turn

    @classmethod
    @torch.no_grad()
    def of(cls, turn: Turn, lifter: Lifter) -> "LiftedTurn":
        """Lifts the frames; the first target view of a moment is frontal."""
        triplane = lifter.lift(turn.images)
        visibility = frame_visibility(lifter, triplane, turn.camera)
        return cls(triplane, visibility, lifter.lift(turn.targets[:, 0]).planes, turn)


class FuserTraining(NetworkTraining):
    """A fuser in training on a frozen student's planes.

    Args:
        trained: the fuser to train.
        lifter: the student, frozen.
        losses: of planes and views.
        settings: of the training.
        gradient_clip: see `NetworkTraining`.
    """

    settings: FuserSettings

    def __init__(
        self,
        *,
        trained: TrainedFuser,
        lifter: Lifter,
        losses: WeightedSum,
        settings: FuserSettings,
        gradient_clip: float | int | None = 1.0,
    ) -> None:
        super().__init__(trained, settings, gradient_clip=gradient_clip)
        self.fuser = trained.network
        self.losses = losses
        self._lifter = (lifter.eval().requires_grad_(False),)  # no child module

    @property
    def lifter(self) -> Lifter:
        """The student."""
        return self._lifter[0]

    def on_fit_start(self) -> None:
        """Moves student and losses to the fuser's device."""
        self.lifter.to(self.device)

    def training_step(self, batch: list[Turn], batch_idx: int) -> None:
        """One film after another, then one update."""
        for turn in batch:
            loss, terms = self.compare(LiftedTurn.of(turn, self.lifter))
            self.manual_backward(loss / len(batch))
            values = {f"train/{name}": value.detach() for name, value in terms.items()}
            self.log_dict({"train/loss": loss.detach(), **values}, batch_size=1)
        self.update()

    def compare(self, film: LiftedTurn) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss of a film, and its unweighted terms. The first frame, which no fuser changes,
        doesn't count.
        """
        fused, _ = fused_frames(self.fuser, film.triplane, film.visibility)
        triplane = film.triplane.with_planes(torch.cat([frame.planes for frame in fused[1:]]))
        target = film.triplane.with_planes(film.target[1:])
        terms = self.losses.planes(triplane, target)
        loss = self.losses.total(terms) if terms else triplane.planes.new_zeros(())
        view = 1 if film.turn.targets.shape[1] > 1 else 0
        rendering, truth, hidden = self._views(triplane, film.turn, view)
        of_view = self.losses.view(rendering, truth)
        loss = loss + self.losses.total(of_view) if of_view else loss
        error = (rendering.image - truth.image).abs().mean(1, keepdim=True)
        seen = film.visibility[1:]
        undistorted = torch.cat([frame.undistorted for frame in fused[1:]])
        apart = (undistorted - film.target[1:]).abs().mean(2, keepdim=True)
        own = {
            "hidden": (error * hidden).sum() / hidden.sum().clamp(min=1),
            "undistortion": (apart * seen).sum() / seen.sum().clamp(min=1),
        }
        loss = loss + self.settings.hidden_weight * own["hidden"]
        if any(getattr(plane, "undistorts", False) for plane in self.fuser.planes):
            loss = loss + self.settings.undistortion_weight * own["undistortion"]
        return loss, {**terms, **of_view, **own}

    def _views(
        self, triplane: Triplane, turn: Turn, view: int
    ) -> tuple[Rendering, Rendering, Tensor]:
        """Views of the frames but the first, their truth, and where they show what is hidden."""
        side, count = self.settings.render_side, turn.targets.shape[1]
        rows = [frame * count + view for frame in range(1, len(turn.targets))]
        camera = Camera(
            turn.target_camera.cam_to_world[rows], turn.target_camera.intrinsics[rows]
        ).to(triplane.planes)
        rendering = coarse(self.lifter, side)(triplane, camera, None, None)

        def small(values: Tensor) -> Tensor:
            return F.interpolate(values[1:, view].to(triplane.planes), size=side, mode="area")

        image = small(turn.targets)
        truth = Rendering(
            image, image, rendering.feature_image, rendering.depth, small(turn.is_head)
        )
        return rendering, truth, (small(turn.is_hidden) > 0.5).to(image)
