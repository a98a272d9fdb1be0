"""Training a fuser on turning heads of a world, after a frozen student.

The target of the planes is what the student makes of a frontal picture of the same moment (as in
Coherent3D, Wang et al., CVPR 2025); that of the views is the world's truth.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from lightning import LightningDataModule, LightningModule
from torch import Tensor
from torch.nn import functional as F

from pipeline.fusion import TrainedFuser, coarse, frame_visibility, fused_frames
from pipeline.lifter import Lifter
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.runs.step_loader import StepLoader
from pipeline.runs.stopwatch import Stopwatch
from pipeline.sampling.sample_numbers import batch_numbers
from pipeline.worlds.turns import Turn, TurnSource
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

STATE_KEY = "distillation"


@dataclass(frozen=True, kw_only=True)
class FuserSettings:
    """What is trained, on what, and how.

    Attributes:
        network: arguments of `TriplaneFuser` but its channels.
        films: the training's films.
        render_side: of the views that are compared with the truth, pixels.
        hidden_weight: factor of the mean absolute error at pixels that the frame's camera doesn't
            see, beside the losses of `loss=`, which count every pixel.
        undistortion_weight: factor of the mean absolute error of the warped frame's seen texels.
        learning_rate: of Adam; it falls on a half cosine.
        total_steps: until this step.
    """

    network: dict[str, Any]
    films: TurnSource
    render_side: int = 32
    hidden_weight: float | int = 1.0
    undistortion_weight: float | int = 0.5
    learning_rate: float | int = 5e-4
    total_steps: int = 2000


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


class FuserTraining(LightningModule):
    """A fuser in training; the student isn't trained, moved or saved with it.

    Args:
        trained: the fuser to train.
        lifter: the student, frozen.
        losses: of planes and views.
        settings: of the training.
        batch_size: films a step.
        gradient_clip: largest norm of the gradient; None: it isn't limited.
    """

    def __init__(
        self,
        *,
        trained: TrainedFuser,
        lifter: Lifter,
        losses: WeightedSum,
        settings: FuserSettings,
        batch_size: int,
        gradient_clip: float | int | None = 1.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.fuser = trained.fuser
        self.trained, self.settings, self.losses = trained, settings, losses
        self._lifter = (lifter.eval().requires_grad_(False),)  # no child module
        self.batch_size, self.step = batch_size, 0
        self.gradient_clip = math.inf if gradient_clip is None else float(gradient_clip)

    @property
    def lifter(self) -> Lifter:
        """The student."""
        return self._lifter[0]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.fuser.parameters(), lr=float(self.settings.learning_rate))

    def on_fit_start(self) -> None:
        """Moves student and losses to the fuser's device."""
        self.lifter.to(self.device)

    def training_step(self, batch: list[Turn], batch_idx: int) -> None:
        """One film after another, then one update."""
        optimizer: Any = self.optimizers()
        for turn in batch:
            loss, terms = self.compare(LiftedTurn.of(turn, self.lifter))
            self.manual_backward(loss / len(batch))
            values = {f"train/{name}": value.detach() for name, value in terms.items()}
            self.log_dict({"train/loss": loss.detach(), **values}, batch_size=1)
        norm = torch.nn.utils.clip_grad_norm_(self.fuser.parameters(), self.gradient_clip)
        self.log("train/gradient_norm", norm)
        if norm.isfinite():
            for group in optimizer.optimizer.param_groups:
                group["lr"] = self.rate(self.step)
            optimizer.step()
        optimizer.zero_grad()
        self.step += 1

    def rate(self, step: int) -> float:
        """Learning rate of an update."""
        done = min(1.0, step / max(1, self.settings.total_steps))
        return float(self.settings.learning_rate) * (1 + math.cos(math.pi * done)) / 2

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

    @property
    def result(self) -> TrainedFuser:
        """The fuser as it is now."""
        trained = self.trained
        return TrainedFuser(self.fuser, trained.arguments, trained.passport, self.step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the step and the teacher's passport."""
        checkpoint[STATE_KEY] = {"step": self.step, "passport": self.trained.passport.to_json()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continues; ValueError if the state belongs to another teacher's planes."""
        stored = checkpoint[STATE_KEY]
        Passport.from_json(stored["passport"], "the training state").require_same(
            self.trained.passport, mine="the run to be continued", others="the configuration"
        )
        self.step = int(stored["step"])


class TurnBatches(LightningDataModule):
    """The films of every step, from the module's step on: step n has the numbers n · batch_size …
    (n + 1) · batch_size − 1, shared among the processes.

    Args:
        films: number → film.
        batch_size: films a step, of all processes together.
    """

    def __init__(self, films: TurnSource, *, batch_size: int) -> None:
        super().__init__()
        self.films, self.batch_size, self.stopwatch = films, batch_size, Stopwatch()

    def train_dataloader(self) -> StepLoader[list[Turn]]:
        """The films that are left."""
        trainer: Any = self.trainer
        return StepLoader(self.draw, first=trainer.lightning_module.step, stopwatch=self.stopwatch)

    def draw(self, step: int) -> list[Turn]:
        """Those of this process in a step."""
        trainer: Any = self.trainer
        numbers = batch_numbers(
            step,
            batch_size=self.batch_size,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return [self.films(number) for number in numbers]

    def transfer_batch_to_device(
        self, batch: list[Turn], device: torch.device, dataloader_idx: int
    ) -> list[Turn]:
        """Moves what the training uses."""
        return [turn.to(device) for turn in batch]
