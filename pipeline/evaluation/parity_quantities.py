"""This project's values of the quantities in a reference dump, under the dump's names.

Only z, the camera labels and the ray jitter come from the dump; everything else is computed here,
stage by stage. The official code's batch-wide ray limits and depth clamp are reproduced
(`compat="official"`).
"""

import copy
import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachers.eg3d.generator import Generator
from teachers.plain_values import parse_json
from teachers.rendering.camera import Camera, Rays
from teachers.rendering.compositing import interval_weights
from teachers.rendering.depths import importance_depths, stratified_depths
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneField, TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane

Dump = Mapping[str, np.ndarray]

RAYS_AT_ONCE = 2048

STRIDED = re.compile(r"(\w+)_stride([1-9]\d{0,2})")
"""Every k-th row and column of an image."""


class Quantities:
    """Our side of a comparison: `compute()` returns the arrays by the dump's names, for what the
    dump has the inputs of.

    Args:
        generator: the checkpoint's; its super-resolution is given the teacher's w, whatever its own
            `sr_latent`.
        dump: the reference.

    Raises:
        ValueError: the reference was made with random noise.
    """

    def __init__(self, generator: Generator, dump: Dump) -> None:
        self.dump, self.meta = dump, read_meta(dump)
        synthesis = self.meta.get("synthesis", {})
        noise = synthesis.get("noise_mode", "const")
        if noise not in ("const", "none"):
            raise ValueError(
                f"the reference was made with noise_mode={noise!r}, which can't be repeated: make"
                " it with 'const' or 'none'"
            )
        self.truncation = float(synthesis.get("truncation_psi", 1.0))
        self.cutoff = synthesis.get("truncation_cutoff")
        self.generator = _as_official(generator, noise, self._sample_counts(generator))
        self.ours: dict[str, Tensor] = {}

    @torch.inference_mode()
    def compute(self) -> dict[str, Tensor]:
        """Every quantity whose inputs the dump has; `NAME_strideK` is every K-th row and column of
        an image NAME.
        """
        self._compute()
        for name in self.dump:
            if (found := STRIDED.fullmatch(name)) and found[1] in self.ours:
                self.ours[name] = self.ours[found[1]][..., :: int(found[2]), :: int(found[2])]
        return self.ours

    def _compute(self) -> None:
        self.ours["plane_proj_of_123"] = self._projection()
        if self._has("tiny_planes", "tiny_u_coarse", "tiny_u_fine", "c"):
            self._renderer_alone()
        if self._has("c"):
            rays = self._camera().rays(self.resolution)
            self.ours |= {"ray_origins": rays.origins[:, :1], "ray_directions": rays.directions}
        if not self._has("z", "c_cond"):
            return
        ws = self._latents()
        triplane = self.generator.synthesize(ws)
        self._planes(triplane.planes)
        if self._has("pts"):
            self._points(triplane)
        if self._has("c", "u_coarse", "u_fine"):
            self._samples(triplane)
            self._pictures(triplane, ws)
        if self._has("c", "native_u_coarse", "native_u_fine"):
            self._native(triplane[:1], ws[:1])

    def _projection(self) -> Tensor:
        """Where each plane sees the point (1, 2, 3), `[plane 1 2]`."""
        columns_rows = [
            [["xyz".index(axis) for axis in axes]] for axes in self.generator.config.plane_axes
        ]
        return torch.tensor([1.0, 2.0, 3.0])[torch.tensor(columns_rows)]

    @property
    def resolution(self) -> int:
        """Side of the reference's volume rendering."""
        for name in ("ray_directions", "u_coarse"):
            if name in self.dump:
                return math.isqrt(self.dump[name].shape[1])
        return int(
            self.meta.get("neural_rendering_resolution", self.generator.config.render_resolution)
        )

    def _has(self, *names: str) -> bool:
        return all(name in self.dump for name in names)

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(np.array(self.dump[name], np.float32))

    def _camera(self, name: str = "c") -> Camera:
        return Camera.from_label(self._tensor(name))

    def _jitter(self, prefix: str = "") -> RayJitter:
        coarse, fine = self._tensor(f"{prefix}u_coarse"), self._tensor(f"{prefix}u_fine")
        return RayJitter(coarse, fine.reshape(*coarse.shape[:2], -1))

    def _sample_counts(self, generator: Generator) -> dict[str, int]:
        if not self._has("u_coarse", "u_fine"):
            return {}
        return {
            "depth_samples": self.dump["u_coarse"].shape[-1],
            "importance_samples": self.dump["u_fine"].shape[-1],
        }

    def _latents(self) -> Tensor:
        z, condition = self._tensor("z"), self._camera("c_cond")
        self.ours["ws_psi1"] = self.generator.map_latents(z, condition)
        self.ours["ws"] = self._truncated(z, condition)
        self.ours["ws_psi07_nocutoff"] = self.generator.map_latents(z, condition, truncation=0.7)
        return self.ours["ws"]

    def _truncated(self, z: Tensor, condition: Camera) -> Tensor:
        """The ws with the dump's truncation, of its first layers only where it says so."""
        ws = self.generator.map_latents(z, condition)
        truncated = self.generator.map_latents(z, condition, truncation=self.truncation)
        cutoff = ws.shape[1] if self.cutoff is None else int(self.cutoff)
        return torch.cat([truncated[:, :cutoff], ws[:, cutoff:]], 1)

    def _points(self, triplane: Triplane) -> None:
        field = self.generator.renderer.field(triplane)
        self.ours["pts_rgb"], self.ours["pts_sigma"] = field(self._tensor("pts"))

    def _planes(self, planes: Tensor) -> None:
        self.ours["planes_ch0_full"] = planes[:, :, 0]
        self.ours["planes_mean"], self.ours["planes_std"] = planes.mean((3, 4)), planes.std((3, 4))
        self.ours["planes"] = planes

    def _samples(self, triplane: Triplane) -> None:
        """Where the rays are sampled and what weight the samples get, pass by pass."""
        rays, jitter = self._camera().rays(self.resolution), self._jitter()
        sampling, field = self.generator.renderer.sampling, self.generator.renderer.field(triplane)
        limits = sampling.limits(rays)
        pieces = []
        for start in range(0, rays.directions.shape[1], RAYS_AT_ONCE):
            rows = slice(start, start + RAYS_AT_ONCE)
            depths = stratified_depths(
                limits[rows], jitter.coarse[:, rows], in_disparity=sampling.in_disparity
            )
            pieces.append(_two_passes(field, rays[rows], depths, jitter.fine[:, rows]))
        self.ours |= {name: torch.cat([piece[name] for piece in pieces], 1) for name in pieces[0]}
        self.ours["sigma_coarse"] = self._logits_at_their_points(field)

    def _logits_at_their_points(self, field: TriplaneField) -> Tensor:
        """Density logits at the reference's own points, where it has them: the last bit of a
        position is worth 1e-3 in a logit.
        """
        rays, depths = self._camera().rays(self.resolution), self.ours["depths_coarse"]
        if self._has("ray_origins", "ray_directions", "depths_coarse"):
            directions = self._tensor("ray_directions")
            rays, depths = (
                Rays(self._tensor("ray_origins").expand_as(directions), directions),
                self._tensor("depths_coarse"),
            )
        pieces = [
            slice(start, start + RAYS_AT_ONCE) for start in range(0, depths.shape[1], RAYS_AT_ONCE)
        ]
        return torch.cat([_logits(field, rays[rows], depths[:, rows]) for rows in pieces], 1)

    def _pictures(self, triplane: Triplane, ws: Tensor) -> None:
        blocks: list[tuple[Tensor, Tensor]] = []
        renderer = self._renderer(self.resolution)
        if renderer.super_resolution is not None:
            first: Any = renderer.super_resolution.block0
            hook = first.register_forward_hook(
                lambda module, inputs, outputs: blocks.append(outputs)
            )
        rendering = renderer(triplane, self._camera(), ws, self._jitter())
        if blocks:
            hook.remove()
            self.ours["sr_block0_x"], self.ours["sr_block0_img"] = blocks[0]
        self.ours |= {
            "features": rendering.feature_image,
            "weight_total": rendering.opacity,
            "sr_in_rgb": rendering.feature_image[:, :3],
            "image_raw": rendering.image_raw,
            "image_depth": rendering.depth,
            "image": rendering.image,
        }

    def _native(self, triplane: Triplane, ws: Tensor) -> None:
        """At the super-resolution's own size, where the official raw image is altered in place."""
        renderer = self._renderer(math.isqrt(self.dump["native_u_coarse"].shape[1]))
        rendering = renderer(triplane, self._camera()[:1], ws, self._jitter("native_"))
        self.ours |= {
            "native_rgb_before_sr": rendering.feature_image[:, :3],
            "native_image_raw_returned": rendering.image_raw,
            "native_image": rendering.image,
        }

    def _renderer_alone(self) -> None:
        """The renderer on given planes: constant limits, limits from the box, disparity, rays that
        miss the box.
        """
        sampling = self.generator.renderer.sampling
        box = dataclasses.replace(sampling, near=None, far=None)
        disparity = dataclasses.replace(sampling, in_disparity=True)
        cases = {
            "": (sampling, "c"),
            "auto_": (box, "c"),
            "disp_": (disparity, "c"),
            "miss_": (box, "tiny_miss_c"),
        }
        for case, (rays, camera) in cases.items():
            if camera not in self.dump:
                continue
            rendering = self._draw_tiny(rays, self._camera(camera))
            name = f"tiny_{case}"
            self.ours[f"{name}features"] = rendering.feature_image.flatten(2).mT
            self.ours[f"{name}depth"] = rendering.depth.flatten(2).mT
            self.ours[f"{name}wtot"] = rendering.opacity.flatten(2).mT

    def _draw_tiny(self, sampling: RaySampling, camera: Camera) -> Rendering:
        jitter, config = self._jitter("tiny_"), self.generator.config
        renderer = self._renderer(math.isqrt(jitter.coarse.shape[1]))
        renderer.super_resolution, renderer.sampling = None, sampling
        return renderer(
            Triplane(self._tensor("tiny_planes"), config.plane_axes, config.box_size),
            camera,
            None,
            jitter,
        )

    def _renderer(self, resolution: int) -> TriplaneRenderer:
        """The generator's own at another resolution, with the same networks."""
        renderer = copy.copy(self.generator.renderer)
        renderer._modules = dict(renderer._modules)
        renderer.resolution = resolution
        return renderer


def _two_passes(
    field: TriplaneField, rays: Rays, depths: Tensor, jitter: Tensor
) -> dict[str, Tensor]:
    logits = _logits(field, rays, depths)
    weights = interval_weights(logits, depths, activation=field.density_activation)
    fine = importance_depths(depths, weights, jitter)
    all_depths, order = torch.cat([depths, fine], 2).sort(-1)
    all_logits = torch.cat([logits, _logits(field, rays, fine)], 2).gather(2, order)
    return {
        "depths_coarse": depths,
        "weights_coarse": weights,
        "depths_all_sorted": all_depths,
        "sigma_all_sorted": all_logits,
        "weights_final": interval_weights(
            all_logits, all_depths, activation=field.density_activation
        ),
    }


def _logits(field: TriplaneField, rays: Rays, depths: Tensor) -> Tensor:
    return field.density_logit(rays.at(depths).flatten(1, 2)).reshape(depths.shape)


def _as_official(generator: Generator, noise: str, counts: dict[str, int]) -> Generator:
    """The same weights (shared) in a generator that does what the official code does."""
    changes: dict[str, Any] = {"noise": noise, **counts}
    if generator.config.super_resolution != "none":
        changes["sr_latent"] = "teacher_w"
    with torch.device("meta"):
        official = type(generator)(dataclasses.replace(generator.config, **changes))
    official.load_state_dict(generator.state_dict(), assign=True)
    renderer = official.renderer
    renderer.sampling = dataclasses.replace(renderer.sampling, compat="official")
    return official.eval().requires_grad_(False)


def read_meta(dump: Dump) -> dict[str, Any]:
    """The dump's own description, {} without one.

    Raises:
        ValueError: it is there but isn't JSON.
    """
    if "meta_json" not in dump:
        return {}
    try:
        text = np.asarray(dump["meta_json"], np.uint8).tobytes()
    except (ValueError, TypeError) as error:
        raise ValueError(f"the reference's meta_json is no text ({error})") from error
    return parse_json(text, "the reference's meta_json", dict[str, Any])
