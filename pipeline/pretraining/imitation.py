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
from teachers.rendering.rendering import Rendering

from .data_module import TrainingBatch
from .surface import SurfaceGAN


class SurfaceImitation(SurfaceGAN):
    """Trains a generator of signed distances, and its sampler, to repeat a trained EG3D's images,
    mattes and depths at the cameras of the training images; those themselves aren't looked at.

    The discriminator isn't trained: adversarial training that starts from the result begins with an
    untrained one.

    Args:
        imitated: whose images are repeated; its backbone has the new generator's sizes.
        rate: learning rate of Adam (0.9, 0.99).
        edge_weight: of the error of the differences between neighbouring pixels.
        depth_weight: of the depth's error (world units), where the truth is opaque.
        samples: of a ray of the truth, in each of its two passes.
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
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        # In a tuple: its weights are no part of what is trained and saved.
        self._imitated = (imitated,)
        self.rate, self.edge_weight, self.depth_weight = rate, edge_weight, depth_weight
        self.samples = samples
        for generator in (self.generator, self.average):
            try:
                generator.backbone.load_state_dict(imitated.generator.backbone.state_dict())
            except RuntimeError as error:
                raise ValueError(
                    f"the backbone of {imitated.passport.name} has other sizes than the generator's"
                    " in training: give `teacher` the z_dim, w_dim, mapping_layers, plane_channels,"
                    f" plane_resolution and channel_* that its config.json has ({error})"
                ) from None
        # Both map a latent alike, or there is no truth for it.
        self.generator.backbone.mapping.requires_grad_(False)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One, of the generator."""
        trained = [p for p in self.generator.parameters() if p.requires_grad]
        return [torch.optim.Adam(trained, self.rate, (0.9, 0.99))]

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> None:
        """Draws new identities with both generators, and compares."""
        optimizer: Any = self.optimizers()
        optimizer.param_groups[0]["lr"] = self.rate * self.schedule.learning_rate(self.seen)
        camera = batch.real.camera
        z = torch.randn(len(camera), self.config.z_dim, generator=batch.random, device=self.device)
        triplane, drawn = self._render(z, camera, batch.random)
        resolution = self.schedule.render_resolution(self.seen)
        (imitated,) = self._imitated
        with record_function("truth"), torch.no_grad():
            imitated.to(self.device)
            ws = imitated.map_latents(z, self._conditions(camera, batch.random))
            renderer = imitated.renderer.changed(
                resolution=resolution,
                super_resolution=False,
                depth_samples=self.samples,
                importance_samples=self.samples,
            )
            truth = renderer(imitated.synthesize(ws), camera)
        error = self._error(drawn, truth)
        regularisation = self._regularisation(triplane, camera, batch.random)
        loss = error if regularisation is None else error + regularisation
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.log("error", error, prog_bar=True)
        self._finish_step()

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
