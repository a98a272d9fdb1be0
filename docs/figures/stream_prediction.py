"""Predicts a stream's lifting and rendering on GPUs from counted work, for docs/streaming.md.

Nothing is measured. Convolutions, matrix products and attention are counted on the device "meta";
the rate is what LP3D's encoder reaches on an RTX 3090 (40 ms, LP3D table 1) by the same count, in
proportion to the GPUs' half-precision peaks; small networks wait for kernel launches instead,
10 microseconds an operator. Run it at the repository's root.
"""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.build.configuration import compose
from pipeline.build.distillation import build_lifter
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.runs.machines import PEAKS, counted
from teachers.untrained import untrained_teacher

GPUS = ("rtx3090", "rtx4090", "a100", "h100")
LP3D_SECONDS, LP3D_GPU = 0.040, "rtx3090"
LAUNCH_SECONDS = 10e-6
EG3D = {"image_resolution": 512, "render_resolution": 128, "sr_latent": "constant_one"}


class Operators(TorchDispatchMode):
    """Counts operators."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Another one."""
        self.count += 1
        return func(*args, **(kwargs or {}))


def main() -> None:
    """Prints the table."""
    small = Lifter.load(student_file("bundled/puppets_tiny"))
    large = build_lifter(compose("distill", "student=base"), untrained_teacher(EG3D))
    rows = [
        row
        for name, lifter in (("LP3D's sizes", large), ("bundled", small))
        for row in works(name, lifter)
    ]
    encoder = rows[0][1]
    rate = encoder / LP3D_SECONDS / PEAKS[LP3D_GPU][0]
    print("| | GFLOP | operators | " + " | ".join(f"{gpu}, ms" for gpu in GPUS) + " |")
    print("|---" * (3 + len(GPUS)) + "|")
    for name, flops, operators in rows:
        times = [max(flops / (rate * PEAKS[gpu][0]), LAUNCH_SECONDS * operators) for gpu in GPUS]
        shown = " | ".join(f"{1000 * seconds:.1f}" for seconds in times)
        print(f"| {name} | {flops / 1e9:.1f} | {operators} | {shown} |")


def works(name: str, lifter: Lifter) -> list[tuple[str, float, int]]:
    """Lifting and rendering of one frame."""
    lifter = lifter.eval().requires_grad_(False).to("meta")
    renderer: Any = lifter.renderer
    lifter.renderer = renderer.changed(first_pass="reused")  # proposals count as two passes
    side = lifter.image_size
    image = torch.zeros(1, 3, side, side, device="meta")
    camera = lifter.passport.orbit(torch.zeros(1)).to(image)
    triplane = lifter.lift(image)
    found = []
    for part, work in (
        ("lift", lambda: lifter.lift(image)),
        ("render", lambda: lifter.render(triplane, camera)),
    ):
        _, done = counted(work)
        with Operators() as operators:
            work()
        found.append((f"{part}, {name}", done.flops, operators.count))
    return found


if __name__ == "__main__":
    main()
