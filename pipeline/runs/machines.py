"""How fast training is on GPUs that aren't there: the rates of a dry run's extrapolation.

LP3D trained on eight A100 for ten days (supp. A1), about 8 million identities at 6.8 TFLOP each:
7.9 TFLOP/s a GPU, of everything that a step does. Other GPUs are set in proportion to their dense
bfloat16 peak. It is an estimate to a factor of two; a dry run on the machine measures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

A100_TFLOPS, A100_PEAK = 7.9, 312.0

PEAKS = {
    "v100": (125.0, 32),
    "rtx3090": (71.0, 24),
    "rtx4090": (165.0, 24),
    "a40": (150.0, 48),
    "l40s": (362.0, 48),
    "a100": (312.0, 80),
    "h100": (989.0, 80),
    "h200": (989.0, 141),
}
"""Dense peak in half precision, TFLOP/s, and memory in GiB, by name."""


@dataclass(frozen=True)
class Machine:
    """A GPU.

    Attributes:
        name: as in `PEAKS`.
        tflops: sustained in training.
        memory_gib: of the GPU.
    """

    name: str
    tflops: float
    memory_gib: float | int

    @classmethod
    def named(cls, name: str) -> "Machine":
        """ValueError for an unknown name."""
        if name.lower() not in PEAKS:
            raise ValueError(f"machine is {name!r}: use {', '.join(PEAKS)}")
        peak, memory = PEAKS[name.lower()]
        return cls(name.lower(), A100_TFLOPS * peak / A100_PEAK, memory)

    def caveat(self, count: int, needed_gib: float) -> str:
        """What an extrapolation to so many of them is worth, and whether their memory suffices."""
        lack = (
            f"\nTOO LITTLE MEMORY: about {needed_gib:.0f} GiB are needed; use more GPUs, a larger"
            " trainer.accumulate or trainer.checkpoints_activations=true (distill), a smaller batch"
            if needed_gib > self.memory_gib
            else ""
        )
        return (
            f"extrapolated, not measured: counted work at {self.tflops:.3g} TFLOP/s on {count} ×"
            f" {self.name} of {self.memory_gib:g} GiB, right to a factor of two; memory is that of"
            f" float32; without validation, previews, saving{lack}"
        )


@dataclass(frozen=True)
class Work:
    """Counted work.

    Attributes:
        flops: of convolutions, matrix products and attention; a multiplication and an addition
            are two.
        saved_bytes: that are kept for the backward pass.
    """

    flops: float
    saved_bytes: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.flops + other.flops, self.saved_bytes + other.saved_bytes)


class FlopCounter(TorchDispatchMode):
    """Adds up the work of torch's operators, by torch's own formulas.

    `torch.utils.flop_counter.FlopCounterMode` also tells modules apart, by hooks that fail in R1,
    where a gradient is taken of a gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Computes an operator and counts it, or the operators that it consists of."""
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=result)
        return result


def counted(work: Callable[[], Any]) -> tuple[Any, Work]:
    """Does something, on the device "meta" without computing anything: its result, its work."""
    sizes: dict[int, int] = {}
    kept: list[torch.Tensor] = []  # an address means one tensor only as long as that lives

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter) and storage._cdata not in sizes:
            sizes[storage._cdata] = storage.nbytes()
            kept.append(tensor)
        return tensor

    with FlopCounter() as counter, saved_tensors_hooks(keep, lambda kept: kept):
        result = work()
    return result, Work(float(counter.flops), sum(sizes.values()))
