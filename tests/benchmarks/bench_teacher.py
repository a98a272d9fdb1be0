"""Speed of a teacher's stages: the bundled size, and FFHQ 512 with random weights.

`python tests/benchmarks/bench_teacher.py`: one thread, seconds of processor time, the best of a few
repeats.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

from teachers.eg3d.teacher import EG3DTeacher
from teachers.eg3d.untrained import untrained_teacher
from teachers.rendering.camera import Camera

BUNDLED_SIZE = Path(__file__).resolve().parents[2] / "conf" / "teacher_network" / "puppets64.yaml"


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest repeat, after one that doesn't count."""
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times[1:])


@torch.inference_mode()
def stages(teacher: EG3DTeacher, *, batch: int, repeats: int) -> dict[str, float]:
    """Seconds per image of each stage."""
    z = torch.randn(batch, teacher.z_dim, generator=torch.Generator().manual_seed(0))
    camera = Camera.orbit(
        torch.linspace(-0.3, 0.3, batch), torch.zeros(batch), pivot=teacher.passport.camera_pivot
    )
    ws = teacher.map_latents(z)
    triplane, renderer = teacher.synthesize(ws), teacher.renderer
    enlarge, renderer.super_resolution = renderer.super_resolution, None
    features = renderer(triplane, camera).feature_image
    times = {
        "mapping": best(lambda: teacher.map_latents(z), repeats),
        "planes": best(lambda: teacher.synthesize(ws), repeats),
        "render": best(lambda: renderer(triplane, camera), repeats),
    }
    if enlarge is not None:
        times["super-resolution"] = best(lambda: enlarge(features, ws), repeats)
    renderer.super_resolution = enlarge
    return {name: seconds / batch for name, seconds in times.items()}


def report(name: str, times: dict[str, float]) -> None:
    """A line for each stage: images per second and its share of a whole image."""
    whole = sum(times.values())
    print(name)
    for stage, seconds in [
        *times.items(),
        ("whole image", whole),
        ("another view", whole - times["mapping"] - times["planes"]),
    ]:
        print(
            f"  {stage:<17} {1 / seconds:10.2f} images/s  {seconds * 1e3:9.1f} ms "
            f" {seconds / whole:7.1%}"
        )


def main() -> None:
    """Prints both tables."""
    torch.set_num_threads(1)
    bundled = untrained_teacher(yaml.safe_load(BUNDLED_SIZE.read_text()))
    report("bundled size (64², 4 at once)", stages(bundled, batch=4, repeats=5))
    report("FFHQ 512 size", stages(untrained_teacher({}), batch=1, repeats=1))


if __name__ == "__main__":
    main()
