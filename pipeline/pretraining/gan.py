"""Adversarial training of an EG3D teacher from images with camera labels (EG3D sec. 4, supp.)."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor
from torch.profiler import record_function

from pipeline.losses.adversarial import discriminator_loss, generator_loss
from pipeline.losses.balance import Balance
from pipeline.losses.density_variation import density_variation
from pipeline.losses.gradient_penalty import r1_penalty
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.discriminator import Discriminator
from teachers.eg3d.generator import Generator
from teachers.kinds import kind_of
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane

from .data_module import TrainingBatch
from .discriminator_view import DiscriminatorView
from .schedule import GANSchedule
from .training_images import ImageBatch, TrainingImages


@dataclass(frozen=True)
class GANSettings:
    """Constants of the training.

    Attributes:
        batch_size: images per process and step; a multiple of the discriminator's statistics
            group.
        generator_rate, discriminator_rate: learning rates of Adam (0, 0.99).
        r1_gamma, r1_every: weight of R1, and the number of steps from one computation to the next.
        density_weight, density_every, density_points, density_sd: density regularisation (EG3D
            supp.); the standard deviation of the offsets is a share of the box.
        ema_images: half-life of the averaged generator, in images …
        ema_rampup: … and at most this share of the images seen.
        bfloat16: convolutions in bfloat16.
        seed: of all random draws.
    """

    batch_size: int
    generator_rate: float = 2.5e-3
    discriminator_rate: float = 2e-3
    r1_gamma: float = 1.0
    r1_every: int = 16
    density_weight: float = 0.25
    density_every: int = 4
    density_points: int = 1000
    density_sd: float = 0.004
    ema_images: int = 10_000
    ema_rampup: float = 0.05
    bfloat16: bool = False
    seed: int = 0


class TeacherGAN(LightningModule):
    """Generator against discriminator, with manual optimisation.

    A step renders fakes by the cameras of other real images, updates the discriminator with real
    images and fakes, and the generator with the same fakes.

    Args:
        config: of the generator in training (the finished teacher may have more ray samples).
        discriminator: has `discriminator_channels(config)` input channels.
        photographs: training images; their cameras are the camera prior.
        schedule: what changes with the number of real images seen.
        settings: constants.
    """

    def __init__(
        self,
        *,
        config: EG3DConfiguration,
        discriminator: Discriminator,
        photographs: TrainingImages,
        schedule: GANSchedule,
        settings: GANSettings,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config, self.schedule, self.settings = config, schedule, settings
        generator = kind_of(config).generator(config)
        self.generator: Generator = generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator: Discriminator = discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.photographs = photographs
        self.view = DiscriminatorView(config, schedule)
        self.convolution_dtype = torch.bfloat16 if settings.bfloat16 else torch.float32
        self.generator.convolution_dtype = self.convolution_dtype
        self.balance = Balance(learner="generator")
        self.seen = 0
        self.steps = 0

    @property
    def drawing(self) -> dict[str, Any]:
        """What the configuration of a teacher of this moment has otherwise than `config`."""
        return {}

    @property
    def work_changes(self) -> tuple[int, ...]:
        """After how many images, beside those of the schedule's growth, a step's work changes."""
        return ()

    @property
    def regularised_every(self) -> int:
        """In every so many steps there is a regularisation."""
        return self.settings.density_every if self.settings.density_weight else 1

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for both, the discriminator's corrected for lazy R1 (StyleGAN2 app. B)."""
        lazy = self.settings.r1_every / (self.settings.r1_every + 1)
        return [
            torch.optim.Adam(
                self.generator.parameters(), self.settings.generator_rate, (0.0, 0.99), eps=1e-8
            ),
            torch.optim.Adam(
                self.discriminator.parameters(),
                self.settings.discriminator_rate * lazy,
                (0.0, 0.99**lazy),
                eps=1e-8,
            ),
        ]

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> None:
        """Updates the discriminator, then the generator, then its running average."""
        generator_optimizer, discriminator_optimizer = self.optimizers()  # type: ignore[attr-defined]
        self._set_rates(generator_optimizer, discriminator_optimizer)
        camera = self.photographs.draw_cameras(self.settings.batch_size, batch.random)
        triplane, rendering = self._render_fakes(camera, batch.random)
        fake = self.view.of_rendering(rendering, self.seen)

        self.discriminator.requires_grad_(True)
        discriminator_optimizer.zero_grad()
        self._discriminate(batch.real, camera, fake.detach())
        with record_function("optimiser"):
            discriminator_optimizer.step()

        self.discriminator.requires_grad_(False)
        generator_optimizer.zero_grad()
        self._generate(triplane, camera, fake, batch.random)
        with record_function("optimiser"):
            generator_optimizer.step()
            self._finish_step()

    def _discriminate(self, real: ImageBatch, fake_camera: Camera, fake: Tensor) -> None:
        with record_function("discriminate"):
            shown = self.view.of_images(real, self.seen)
            real_logits = self.discriminator(shown, real.camera.label(), self.convolution_dtype)
            fake_logits = self.discriminator(fake, fake_camera.label(), self.convolution_dtype)
            loss = discriminator_loss(real_logits, fake_logits)
            if self.steps % self.settings.r1_every == 0:
                penalty = self._penalty(real, shown)
                loss = loss + penalty * (self.settings.r1_gamma / 2 * self.settings.r1_every)
                self.log("r1", penalty)
        with record_function("backward"):
            self.manual_backward(loss)
        accuracy = self.balance.follow(real_logits.detach(), fake_logits.detach(), self.steps)
        self.log_dict(
            {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}, prog_bar=True
        )
        self.log("discriminator_accuracy", accuracy)

    def _penalty(self, real: ImageBatch, shown: Tensor) -> Float[Tensor, ""]:
        """R1 at real images (Mescheder et al. 2018). With dual discrimination, of both images,
        the raw one at its own size.
        """
        label = real.camera.label()
        if not self.view.has_superresolution:
            shown = shown.requires_grad_()
            return r1_penalty(self.discriminator(shown, label), shown)
        image, raw, matte = self.view.parts(real, self.seen)
        assert raw is not None
        image, raw = image.requires_grad_(), raw.detach().requires_grad_()
        logits = self.discriminator(self.view.stack(image, raw, matte, self.seen), label)
        return r1_penalty(logits, image) + r1_penalty(logits, raw)

    def _generate(
        self, triplane: Triplane, camera: Camera, shown: Tensor, random: torch.Generator
    ) -> None:
        with record_function("discriminate"):
            logits = self.discriminator(shown, camera.label(), self.convolution_dtype)
            loss = generator_loss(logits)
        self.log("generator_loss", loss)
        with record_function("losses"):
            regularisation = self._regularisation(triplane, camera, random)
        if regularisation is not None:
            loss = loss + regularisation
        with record_function("backward"):
            self.manual_backward(loss)

    def _regularisation(
        self, triplane: Triplane, camera: Camera, random: torch.Generator
    ) -> Tensor | None:
        """What is added to the generator's loss in this step; None: nothing."""
        every, weight = self.settings.density_every, self.settings.density_weight
        if not weight or self.steps % every:
            return None
        shape, size = (len(camera), self.settings.density_points, 3), self.config.box_size
        points = (torch.rand(shape, generator=random, device=self.device) - 0.5) * size
        offsets = torch.randn(shape, generator=random, device=self.device) * (
            self.settings.density_sd * size
        )
        variation = density_variation(self.generator.renderer, triplane, points, offsets)
        return variation * weight * every

    def _render_fakes(self, camera: Camera, random: torch.Generator) -> tuple[Triplane, Rendering]:
        """Renders new identities by the given cameras."""
        return self._render(
            torch.randn(len(camera), self.config.z_dim, generator=random, device=self.device),
            camera,
            self._conditions(camera, random),
            random,
        )

    def _render(
        self,
        z: Float[Tensor, "batch z_dim"],
        camera: Camera,
        conditions: Camera | None,
        random: torch.Generator,
    ) -> tuple[Triplane, Rendering]:
        """Renders the identities of given latents and conditioning cameras by given cameras, with
        random ray samples.
        """
        generator = self.generator
        generator.renderer.resolution = resolution = self.schedule.render_resolution(self.seen)
        with record_function("generate planes"):
            ws = generator.map_latents(z, conditions)
            generator.backbone.mapping.track(ws[:, 0])
            triplane = generator.synthesize(ws)
        coarse, fine = generator.renderer.ray_samples
        uniform = torch.rand(
            len(camera), resolution**2, coarse + fine, generator=random, device=self.device
        )
        jitter = RayJitter.stratified(uniform[..., :coarse], uniform[..., coarse:])
        with record_function("render"):
            return triplane, generator.renderer(triplane, camera, ws, jitter)

    def _conditions(self, camera: Camera, random: torch.Generator) -> Camera | None:
        """The generator's conditioning cameras: those of the rendering, some swapped with a
        neighbour's (EG3D sec. 4.4).
        """
        if not self.config.label_dim:
            return None
        is_swapped = torch.rand(
            len(camera), generator=random, device=self.device
        ) < self.schedule.swap_probability(self.seen)
        neighbours = torch.arange(len(camera), device=self.device).roll(1)
        return camera[
            torch.where(is_swapped, neighbours, torch.arange(len(camera), device=self.device))
        ]

    def _finish_step(self) -> None:
        """Counts the step and updates the running average."""
        self.steps += 1
        self.seen += self.settings.batch_size * self.trainer.world_size
        half_life = min(self.settings.ema_images, self.seen * self.settings.ema_rampup)
        decay = 0.5 ** (self.settings.batch_size * self.trainer.world_size / max(half_life, 1e-8))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.generator.parameters()), 1 - decay
            )
            for kept, current in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                kept.copy_(current)

    def _set_rates(self, *optimizers: Any) -> None:
        factor = self.schedule.learning_rate(self.seen)
        lazy = self.settings.r1_every / (self.settings.r1_every + 1)
        for optimizer, rate in zip(
            optimizers,
            (self.settings.generator_rate, self.settings.discriminator_rate * lazy),
            strict=True,
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the counters: Lightning's global step counts the updates of both networks."""
        checkpoint["seen"], checkpoint["steps"] = self.seen, self.steps
        checkpoint["balance"] = self.balance.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the counters."""
        self.seen, self.steps = checkpoint["seen"], checkpoint["steps"]
        self.balance.load_state_dict(checkpoint["balance"])
