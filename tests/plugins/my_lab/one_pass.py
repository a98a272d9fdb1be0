"""A plug-in renderer: one stratified pass through every pixel, at any teacher."""

from teachers.rendering.camera import Camera
from teachers.rendering.compositing import composite
from teachers.rendering.density import density_activation_of
from teachers.rendering.depths import centred_jitter, stratified_depths
from teachers.rendering.marching import Field, RayColors, RaySampling, look_up
from teachers.rendering.rendering import RayJitter


class OnePass:
    """A `RayMarcher`."""

    def __call__(
        self,
        field: Field,
        camera: Camera,
        resolution: int,
        sampling: RaySampling,
        jitter: RayJitter | None = None,
    ) -> RayColors:
        rays = camera.rays(resolution)
        placed = (
            centred_jitter(len(camera), resolution**2, sampling.depth_samples, rays.directions)
            if jitter is None
            else jitter.coarse
        )
        depths = stratified_depths(sampling.limits(rays), placed)
        sums = composite(
            *look_up(field, rays, depths), depths, activation=density_activation_of(field)
        )
        nearest, farthest = depths.amin((1, 2)), depths.amax((1, 2))
        depth = sums.expected_depth.clamp(nearest[:, None], farthest[:, None])
        return RayColors(sums.features, depth, sums.opacity, nearest, farthest)
