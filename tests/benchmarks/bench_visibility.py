"""What a sample sees, by our rasteriser, by Embree and by Warp:
`python -m tests.benchmarks.bench_visibility`.

Each image is another person: whoever casts rays builds a hierarchy for her first. Everybody gets
the same triangles; strands are ribbons of two triangles that face the camera for the ray casters,
and drawn as they are by the rasteriser. One thread. Needs `pip install embreex warp-lang`; a
caster that isn't installed has no row.
"""

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

SIDES = (64, 128, 256)
PEOPLE = 6
SUPERSAMPLING = 2
Array = np.ndarray
Seen = Callable[[Array, Array, Array, Array], Array]


def soup(scene: Any, lens: Any) -> tuple[Array, Array]:
    """Vertices `[point 3]` and triangles `[triangle 3]` of a scene, strands as ribbons."""
    points, triangles = [scene.mesh.vertices], [scene.mesh.triangles]
    offset = len(scene.mesh.vertices)
    for group in scene.hair:
        middle, along = group.points.reshape(-1, 3), group.tangents().reshape(-1, 3)
        side = np.cross(along, lens.position - middle)
        side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
        side *= group.width.reshape(-1, 1)
        points += [middle - side, middle + side]
        start = group.pieces() + offset
        other = start + len(middle)
        triangles += [
            np.stack([start, start + 1, other], 1),
            np.stack([start + 1, other + 1, other], 1),
        ]
        offset += 2 * len(middle)
    return np.concatenate(points).astype("f4"), np.concatenate(triangles).astype("i4")


def embree(vertices: Array, triangles: Array, origins: Array, directions: Array) -> Array:
    """Triangle of each ray, -1: none."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, vertices, triangles)
    return scene.run(origins, directions)


def warp_caster() -> Seen:
    """Compiles the kernel."""
    import warp as wp

    wp.config.quiet = True

    @wp.kernel
    def cast(
        mesh: wp.uint64, start: wp.array(dtype=wp.vec3), along: wp.array(dtype=wp.vec3),
        out: wp.array(dtype=wp.int32),
    ):  # fmt: skip
        row = wp.tid()
        found = wp.mesh_query_ray(mesh, start[row], along[row], 10.0)
        out[row] = wp.where(found.result, found.face, -1)

    def seen(vertices: Array, triangles: Array, origins: Array, directions: Array) -> Array:
        with wp.ScopedDevice("cpu"):
            points = wp.array(vertices, dtype=wp.vec3)
            mesh = wp.Mesh(points, wp.array(triangles.ravel(), dtype=wp.int32))
            out = wp.empty(len(origins), dtype=wp.int32)
            start, along = (wp.array(rays, dtype=wp.vec3) for rays in (origins, directions))
            wp.launch(cast, len(origins), inputs=[mesh.id, start, along, out])
            return out.numpy()

    return seen


def main() -> None:
    """Prints milliseconds an image, and the share of samples that agree with the rasteriser."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from pipeline.worlds.heads.distributions import draw_identity
    from pipeline.worlds.heads.expressions import draw_expression
    from pipeline.worlds.heads.factors import Person
    from pipeline.worlds.heads.rasterizer import Buffer, draw_strands, draw_triangles
    from pipeline.worlds.heads.scene import scene_of
    from pipeline.worlds.heads.world import HeadWorld, lens_of
    from teachers.rendering.camera import Camera

    torch.set_num_threads(1)
    casters: dict[str, Seen] = {}
    if find_spec("embreex"):
        casters["embree"] = embree
    if find_spec("warp"):
        casters["warp"] = warp_caster()
    world = HeadWorld()
    camera = Camera.orbit(torch.tensor([0.3]), torch.tensor([0.0]))
    for side in SIDES:
        fine, times, agree, count = side * SUPERSAMPLING, {}, {}, []
        for seed in range(PEOPLE + 1):
            person = Person(draw_identity(seed), draw_expression(seed, seed))
            scene = scene_of(person, world._detail(side))
            lens = lens_of(camera, 0, fine)

            started = time.perf_counter()
            buffer, first = Buffer.empty(fine), len(scene.mesh.triangles)
            vertices = scene.mesh.vertices
            draw_triangles(buffer, lens.project(vertices), scene.mesh.triangles, scene.mesh.cut)
            for group in scene.hair:
                starts = group.pieces()
                projected = lens.project(group.points.reshape(-1, 3))
                widths = (group.width.ravel() * lens.focal).astype(np.float32)
                draw_strands(buffer, projected, starts, widths, first)
                first += len(starts)
            times.setdefault("rasteriser", []).append(time.perf_counter() - started)

            vertices, triangles = soup(scene, lens)
            count.append(len(triangles))
            rays = camera.rays(fine)
            directions = rays.directions[0].numpy().astype("f4").reshape(-1, 3)
            origins = np.broadcast_to(lens.position, directions.shape).astype("f4").copy()
            hit = buffer.index.ravel() >= 0
            for name, cast in casters.items():
                started = time.perf_counter()
                found = cast(vertices, triangles, origins, directions)
                times.setdefault(name, []).append(time.perf_counter() - started)
                agree.setdefault(name, []).append(((found >= 0) == hit).mean())
        for name, spent in times.items():
            # The first person compiles and warms up.
            shown = f", {np.mean(agree[name]):.1%} agree on hit or miss" if name in agree else ""
            print(
                f"{side}², {np.mean(count) / 1e3:.0f} thousand triangles, {name}:"
                f" {1e3 * np.median(spent[1:]):.1f} ms an image{shown}",
                flush=True,
            )


if __name__ == "__main__":
    main()
