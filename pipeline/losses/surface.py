"""Losses of a signed distance and of its sampler (WYSIWYG sec. 4.3)."""

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera
from teachers.rendering.compositing import interval_weights
from teachers.rendering.depths import centred_jitter, stratified_depths
from teachers.rendering.triplane import Triplane
from teachers.wysiwyg.decoder import AsItIs, DistanceDecoder, laplace_density
from teachers.wysiwyg.renderer import WysiwygRenderer

from .proposals import proposal_loss


def surface_losses(
    renderer: WysiwygRenderer,
    triplane: Triplane,
    camera: Camera,
    *,
    beta: float,
    resolution: int,
    samples: int,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """How far surfaces are from the wanted sharpness, and how undecided distances are.

    Args:
        renderer: of the generator in training.
        triplane, camera: what is looked at.
        beta: wanted β, world units.
        resolution, samples: of the rays.

    Returns:
        L_surface: squared difference of the composited β from the wanted one, over the rays that
        see something. L_dec: mean of exp(-2 |distance|) over all samples, which is smallest where
        there is no surface: it leaves one surface rather than many.
    """
    decoder = renderer.decoder
    assert isinstance(decoder, DistanceDecoder)
    rays = camera.rays(resolution)
    batch, count = rays.directions.shape[:2]
    jitter = centred_jitter(batch, count, samples, rays.directions)
    depths = stratified_depths(renderer.sampling.limits(rays), jitter)
    points = rays.at(depths).flatten(1, 2)
    distance, sharpness = decoder.distance_and_beta(triplane.sample(points), points)
    density = laplace_density(distance, sharpness).reshape(depths.shape)
    weights = interval_weights(density, depths, activation=AsItIs())
    middles = sharpness.reshape(depths.shape)
    middles = (middles[..., 1:] + middles[..., :-1]) / 2
    opacity = weights.sum(-1)
    seen = opacity.detach()
    composited = (weights * middles).sum(-1) / opacity.clamp(min=1e-3)
    surface = ((composited - beta).square() * seen).sum() / seen.sum().clamp(min=1e-3)
    return surface, torch.exp(-2 * distance.abs()).mean()


def sampler_loss(
    renderer: WysiwygRenderer,
    triplane: Triplane,
    camera: Camera,
    patch: tuple[int, int, int],
) -> Float[Tensor, ""]:
    """Cross-entropy of the predicted bins against the blurred weights of dense samples, on one
    square patch; only the proposal network learns from it.

    Args:
        renderer: with a proposal network.
        triplane, camera: what is looked at.
        patch: its first row and column, and its side, in pixels.
    """
    assert renderer.proposals is not None
    resolution = renderer.resolution
    row, column, side = patch
    numbers = torch.arange(resolution**2, device=triplane.planes.device)
    chosen = numbers.reshape(resolution, resolution)[row : row + side, column : column + side]
    return proposal_loss(
        renderer.proposals,
        renderer.field(triplane),
        camera,
        resolution,
        renderer.sampling,
        chosen.flatten(),
        probe_samples=renderer.counts.probe_samples,
    )
