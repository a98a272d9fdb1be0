"""`runtime=`: which program runs the encoder of a student on a CPU."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from pipeline.lifter import Lifter
from pipeline.runs.precision import require_bfloat16
from teachers.kernels import fast_kernels
from teachers.rendering.triplane import Triplane

from .exported import exported_encoder
from .sessions import SESSIONS

if TYPE_CHECKING:
    from .packed import PackedEncoder

log = logging.getLogger(__name__)

TORCH: Final = "torch"

RUNTIMES = (TORCH, *SESSIONS)

SHORT: Final = {"onnx": "onnxruntime"}
"""Other names of runtimes."""

Lift = Callable[[Tensor], Triplane]
"""Images in [-1, 1], `[batch 3 height width]` → triplanes."""


def lift_by(
    runtime: str,
    lifter: Lifter,
    image_size: int,
    file: Path | str | None = None,
    *,
    bfloat16: bool = False,
) -> Lift:
    """What `Lifter.lift` computes, by a runtime and without gradients.

    Args:
        runtime: one of `RUNTIMES`, or onnx for onnxruntime. With torch, fast kernels on a CPU use
            packed weights (`PackedEncoder`); the others export the encoder once
            (`exported_encoder`).
        lifter: the student, in evaluation mode. Others than torch take its weights as they are now.
        image_size: side of the images; others than torch take no other, and one image at a time.
        file: the student's encoder as `trilift export` wrote it, for others than torch; None: they
            export it into the cache folder.
        bfloat16: the encoder computes in bfloat16 (torch: under autocast, as `trainer.bfloat16`
            trains); the planes are float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or another student's; an unknown runtime, one that isn't
            installed, one other than torch for a student that isn't on the CPU or has a `lift` of
            its own, or one whose planes differ from torch's; bfloat16 where the device only
            emulates it, or by onnxruntime.
    """
    runtime = SHORT.get(runtime, runtime)
    device = next(lifter.parameters()).device
    if bfloat16:
        require_bfloat16(["bfloat16"], device)
    if runtime == TORCH:
        if file is not None:
            raise ValueError(
                f"runtime_file is {file}, which runtime=torch doesn't read: give"
                " runtime=onnxruntime or openvino, or leave the file out"
            )
        return _TorchBfloat16(lifter) if bfloat16 else _Torch(lifter)
    if runtime not in SESSIONS:
        raise ValueError(f"runtime is {runtime!r}: use {', '.join(RUNTIMES)}")
    if device.type != "cpu":
        raise ValueError(
            f"runtime={runtime} computes on the CPU, the student is on {device}: device=cpu, or"
            " runtime=torch"
        )
    if not only_encodes(lifter):
        raise ValueError(
            f"runtime={runtime} runs an encoder, and a {type(lifter).__name__} lifts in a way of"
            " its own: runtime=torch"
        )
    given = None if file is None else Path(file)
    encoder = exported_encoder(lifter, image_size, runtime, given, bfloat16=bfloat16)
    log.info("runtime: %s", encoder)
    return lambda image: lifter.passport.triplane(encoder(image))


class _TorchBfloat16:
    def __init__(self, lifter: Lifter) -> None:
        self._lifter = lifter

    def __call__(self, image: Tensor) -> Triplane:
        with torch.autocast(image.device.type, torch.bfloat16):
            triplane = self._lifter.lift(image)
        return replace(triplane, planes=triplane.planes.to(image.dtype))


class _Torch:
    def __init__(self, lifter: Lifter) -> None:
        self._lifter = lifter
        self._packed: "PackedEncoder | None" = None

    def __call__(self, image: Tensor) -> Triplane:
        lifter, encoder = self._lifter, self._lifter.encoder
        if not (fast_kernels() and only_encodes(lifter)):
            return lifter.lift(image)
        from .packed import PackedEncoder, can_pack  # loads numba

        if not can_pack(encoder):
            return lifter.lift(image)
        if self._packed is None or self._packed.encoder is not encoder:
            self._packed = PackedEncoder(encoder)
        return lifter.passport.triplane(self._packed(image))


def only_encodes(lifter: Lifter) -> bool:
    """Whether the encoder is all of a student's `lift`."""
    return type(lifter).lift is Lifter.lift
