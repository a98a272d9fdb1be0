"""What a proposal network learns from a field that stays as it is (WYSIWYG sec. 4.3)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from teachers.rendering.camera import Camera, Rays
from teachers.rendering.compositing import interval_weights
from teachers.rendering.density import density_activation_of
from teachers.rendering.learned_sampling import UP, finer_edges, probe
from teachers.rendering.marching import DensityField, Field, RaySampling, look_up
from teachers.rendering.robust_sampling import sampler_target


def proposal_loss(
    network: Callable[..., Tensor],
    field: Field,
    camera: Camera,
    resolution: int,
    sampling: RaySampling,
    chosen: Int64[Tensor, " chosen"],
    *,
    probe_samples: int,
    per_bin: int = 1,
) -> Float[Tensor, ""]:
    """Cross-entropy of the predicted masses against the weights of dense samples, a mean over rays;
    only the network learns from it.

    A network that predicts bins alone (the paper's) learns blurred and normalised weights, from the
    rays that see something. One that also predicts how much light passes learns the weights as they
    are: what it doesn't know blurs its predictions anyway.

    Args:
        network: (probe weights, colours, directions) → log-masses `[batch ray bin]`, or one more
            (see `march_learned` for its attributes).
        field: is looked up.
        camera, resolution: of the whole image.
        sampling: the ray limits.
        chosen: numbers of the rays that are compared.
        probe_samples: of the probe's rays.
        per_bin: samples in each bin, for the truth.
    """
    up, finer = getattr(network, "up", UP), getattr(network, "finer", 1)
    has_colors = getattr(network, "sees_image", True)
    with torch.no_grad():
        seen = probe(
            field, camera, resolution, sampling, probe_samples, up=up, has_colors=has_colors
        )
        edges = finer_edges(seen.edges, finer)
        truth = bin_weights(field, camera.rays(resolution)[chosen], edges, per_bin)
    predicted = network(seen.weights, seen.colors, seen.rays.directions)[:, chosen]
    if predicted.shape[-1] == truth.shape[-1]:
        target = sampler_target(truth)
        entropy = -(target * predicted).sum(-1)
        return entropy.sum() / (target.sum(-1) > 0).sum().clamp(min=1)
    passes = (1 - truth.sum(-1, keepdim=True)).clamp(min=0)
    return -(torch.cat([truth, passes], -1) * predicted).sum(-1).mean()


def bin_weights(
    field: Field, rays: Rays, edges: Float[Tensor, " edge"], per_bin: int
) -> Float[Tensor, "batch ray bin"]:
    """Compositing weights of bins, from samples that divide each into `per_bin` intervals."""
    edges = finer_edges(edges, per_bin)
    depths = edges.expand(*rays.directions.shape[:2], -1)
    if per_bin > 1 and isinstance(field, DensityField):
        logits = field.density_logit(rays.at(depths).flatten(1, 2)).reshape(depths.shape)
    else:
        logits = look_up(field, rays, depths)[1]
    weights = interval_weights(logits, depths, activation=density_activation_of(field))
    return weights.unflatten(-1, (-1, per_bin)).sum(-1) if per_bin > 1 else weights
