"""What the student of a cell costs: parameters, and the time of one lift."""

import statistics
import time
from pathlib import Path

import torch

from pipeline.inference.device import device_named
from pipeline.lifter import Lifter

WARM_UP, REPEATS = 2, 15


def student_cost(file: Path, speeds: dict[str, float]) -> dict[str, float]:
    """`parameters` of the encoder and `lift_ms`, milliseconds of one lift.

    Args:
        file: of the student.
        speeds: lift times by encoder recipe; filled here. Each recipe is measured once, by this
            process, so that the times of a sweep compare.
    """
    lifter = Lifter.load(file)
    recipe = repr(lifter.recipes["encoder"])
    if recipe not in speeds:
        speeds[recipe] = lift_ms(lifter)
    return {
        "parameters": float(sum(weight.numel() for weight in lifter.encoder.parameters())),
        "lift_ms": speeds[recipe],
    }


@torch.inference_mode()
def lift_ms(lifter: Lifter) -> float:
    """Median milliseconds of one photograph through the encoder, on the GPU if there is one."""
    device = device_named("auto")
    lifter = lifter.to(device).eval()
    size = lifter.image_size
    image = torch.zeros(1, 3, size, size, device=device)
    times = []
    for _ in range(WARM_UP + REPEATS):
        started = time.perf_counter()
        lifter.lift(image)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[WARM_UP:])
