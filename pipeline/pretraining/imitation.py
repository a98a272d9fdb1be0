"""A signed distance that begins as a trained EG3D: it first learns to draw what that one draws.

Both generators get the same latents and cameras, so that every pixel, opacity and depth has a
truth, where a discriminator gives one number an image. The mapping network and the backbone are
copies of the EG3D's; what its planes add up to, the product of the new ones has to relearn.
"""

from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function

from teachers.eg3d.teacher import EG3DTeacher
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane
from teachers.wysiwyg.decoder import DistanceDecoder

from .data_module import TrainingBatch
from .surface import SurfaceGAN

FIRST_SAY = 0.05
"""Standard deviation of the features' first weights, a fourth of the coordinates'."""


class SurfaceImitation(SurfaceGAN):
    """Trains a generator of signed distances, and its sampler, to repeat a trained EG3D's images,
    mattes and depths at the cameras of the training images.

    Those themselves are looked at only when the discriminator joins in (as in the second stage of
    LP3D, sec. 4.2): it sharpens what the differences blur, and they keep it from undoing the rest.

    Args:
        imitated: whose images are repeated; its backbone has the new generator's sizes.
        rate: learning rate of Adam (0.5, 0.99).
        edge_weight: of the error of the differences between neighbouring pixels.
        depth_weight: of the depth's error (world units), where the truth is opaque.
        samples: of a ray of the truth, in each of its two passes.
        adversarial_from: images after which the discriminator joins in; None: never.
        adversarial_weight: of its loss, which is added to the others.
        arguments: of `SurfaceGAN`.

    Raises:
        ValueError: the imitated backbone has other sizes.
    """

    def __init__(
        self,
        *,
        imitated: EG3DTeacher,
        rate: float,
        edge_weight: float,
        depth_weight: float,
        samples: int,
        adversarial_from: int | None,
        adversarial_weight: float,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        # In a tuple: its weights are no part of what is trained and saved.
        self._imitated = (imitated,)
        self.rate, self.edge_weight, self.depth_weight = rate, edge_weight, depth_weight
        self.samples = samples
        self.adversarial_from, self.adversarial_weight = adversarial_from, adversarial_weight
        for generator in (self.generator, self.average):
            try:
                generator.backbone.load_state_dict(imitated.generator.backbone.state_dict())
            except RuntimeError as error:
                raise ValueError(
                    f"the backbone of {imitated.passport.name} has other sizes than the generator's"
                    " in training: give `teacher` the z_dim, w_dim, mapping_layers, plane_channels,"
                    f" plane_resolution and channel_* that its config.json has ({error})"
                ) from None
        # An untrained distance ignores the features; these ones mean something from the start.
        decoder = self._renderer.decoder
        assert isinstance(decoder, DistanceDecoder)
        decoder.notice_features(FIRST_SAY)
        # Both map a latent alike, or there is no truth for it.
        self.generator.backbone.mapping.requires_grad_(False)

    @property
    def work_changes(self) -> tuple[int, ...]:
        """See `TeacherGAN`."""
        more = () if self.adversarial_from is None else (self.adversarial_from,)
        return tuple(sorted({*super().work_changes, *more}))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """As `TeacherGAN`, the generator's with its own rate."""
        _, discriminator = super().configure_optimizers()
        trained = [p for p in self.generator.parameters() if p.requires_grad]
        return [torch.optim.Adam(trained, self.rate, (0.5, 0.99)), discriminator]

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> None:
        """Draws new identities with both generators, and compares; from `adversarial_from` on the
        discriminator is trained and followed, too.
        """
        if self.adversarial_from is not None and self.seen >= self.adversarial_from:
            super().training_step(batch, batch_idx)
            return
        generator_optimizer, discriminator_optimizer = self.optimizers()  # type: ignore[attr-defined]
        self._set_rates(generator_optimizer, discriminator_optimizer)
        camera = batch.real.camera
        triplane, _ = self._render_fakes(camera, batch.random)
        generator_optimizer.zero_grad()
        self.manual_backward(self._compare(triplane, camera, batch.random))
        generator_optimizer.step()
        self._finish_step()

    def _set_rates(self, *optimizers: Any) -> None:
        super()._set_rates(*optimizers)
        for group in optimizers[0].param_groups:
            group["lr"] = self.rate * self.schedule.learning_rate(self.seen)

    def _render_fakes(self, camera: Camera, random: torch.Generator) -> tuple[Triplane, Rendering]:
        z = torch.randn(len(camera), self.config.z_dim, generator=random, device=self.device)
        conditions = self._conditions(camera, random)  # the same of both, or they show others
        triplane, drawn = self._render(z, camera, conditions, random)
        with record_function("render"), torch.no_grad():
            (imitated,) = self._imitated
            imitated.to(self.device)
            ws = imitated.map_latents(z, conditions)
            renderer = imitated.renderer.changed(
                resolution=self.schedule.render_resolution(self.seen),
                super_resolution=False,
                depth_samples=self.samples,
                importance_samples=self.samples,
            )
            self._pair = drawn, renderer(imitated.synthesize(ws), camera)
        return triplane, drawn

    def _regularisation(
        self, triplane: Triplane, camera: Camera, random: torch.Generator
    ) -> Tensor:
        """Beside the discriminator's loss, whose weight is 1 there."""
        return self._compare(triplane, camera, random) / self.adversarial_weight

    def _compare(self, triplane: Triplane, camera: Camera, random: torch.Generator) -> Tensor:
        """The error of what was drawn last, and the losses of its surface."""
        loss = self._error(*self._pair)
        self.log("error", loss, prog_bar=True)
        surface = super()._regularisation(triplane, camera, random)
        return loss if surface is None else loss + surface

    def _error(self, drawn: Rendering, truth: Rendering) -> Tensor:
        pairs = ((drawn.image_raw, truth.image_raw), (drawn.opacity, truth.opacity))
        error = sum(
            (ours - theirs).abs().mean()
            + self.edge_weight
            * sum((ours.diff(dim=axis) - theirs.diff(dim=axis)).abs().mean() for axis in (2, 3))
            for ours, theirs in pairs
        )
        depth = ((drawn.depth - truth.depth).abs() * truth.opacity).mean()
        return error + self.depth_weight * depth
