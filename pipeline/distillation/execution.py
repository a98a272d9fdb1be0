"""Precision, memory layout and compilation of the encoder: they change speed and memory, and
results only by rounding.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.lifter import Lifter
from students.attention import SegformerBlock
from teachers.rendering.triplane import Triplane


@dataclass(frozen=True)
class Execution:
    """Settings of the encoder's forward and backward pass; rendering and losses stay in single
    precision.

    Attributes:
        bfloat16: forward pass under autocast.
        channels_last: memory layout of weights and images: faster convolutions on GPUs with tensor
            cores.
        compile: torch.compile, which takes a minute or more at the start.
        checkpoints_activations: transformer blocks keep only their input and recompute the rest
            in the backward pass.
    """

    bfloat16: bool = False
    channels_last: bool = False
    compile: bool = False
    checkpoints_activations: bool = False

    def prepare(self, encoder: nn.Module) -> None:
        """Applies the settings to an encoder; its parameters keep their names and values."""
        if self.channels_last:
            encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for block in (module for module in encoder.modules() if isinstance(module, SegformerBlock)):
            block.checkpoints_activations = self.checkpoints_activations
        if self.compile:
            encoder.compile()

    def lift(self, lifter: Lifter, image: Float[Tensor, "batch 3 height width"]) -> Triplane:
        """The lifter's planes, in float32 whatever the encoder's precision."""
        if self.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.bfloat16):
            triplane = lifter.lift(image)
        return triplane.with_planes(triplane.planes.float())
