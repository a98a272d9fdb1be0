"""A device that isn't the CPU, for machines without one: `pretend:0`.

A tensor on it wraps a CPU tensor, which computes the values, and refuses what an accelerator
refuses: operands on different devices (except numbers, tensors without dimensions, from the CPU),
generators of another device, and numpy. So code that leaves a tensor behind fails in the ordinary
tests. It has neither streams nor an allocator, so it says nothing about speed or races.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest import mock

import torch
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.trainer.connectors.accelerator_connector import _AcceleratorConnector
from torch import Tensor
from torch.utils import _pytree as tree
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten

BETWEEN_DEVICES = {aten._to_copy.default, aten.copy_.default, aten._copy_from.default}
WITH_INDICES_FROM_THE_CPU = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}
"""An accelerator takes their indices from the CPU, and waits for the copy."""


class PretendModule:
    """What torch asks of a device's module."""

    def is_available(self) -> bool:
        return False  # to nobody who didn't name it

    def is_initialized(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None: ...

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()  # numbers come from the CPU's generator

    def set_rng_state(self, state: Tensor, device: Any = None) -> None: ...

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


class PretendHooks(torch._C._acc.PrivateUse1Hooks):
    """As `PretendModule`: other tests of the process shall not find an accelerator."""

    def is_available(self) -> bool:
        return False

    def is_built(self) -> bool:
        return True

    def has_primary_context(self, device_index: int) -> bool:
        return True


_setup_privateuseone_for_python_backend("pretend", PretendModule(), PretendHooks())

_KERNELS = torch.library.Library("_", "IMPL")
_KERNELS.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")  # it casts nothing

PRETEND = torch.device("pretend:0")


class PretendTensor(Tensor):
    """A tensor on `pretend:0`; `raw` has its values on the CPU."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw: Tensor) -> "PretendTensor":
        tensor = Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=PRETEND,
        )
        tensor.raw = raw
        return tensor

    def __repr__(self, **settings: Any) -> str:
        return f"PretendTensor({self.raw!r})"

    def tolist(self) -> Any:
        return self.raw.tolist()

    def untyped_storage(self) -> torch.UntypedStorage:
        """Its address says which tensors share memory."""
        return self.raw.untyped_storage()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return computed(function, args, kwargs or {})


CPUGenerator = torch.Generator


class PretendGenerator(CPUGenerator):
    """A generator for tensors on `pretend:0`."""

    alive: ClassVar = weakref.WeakSet["PretendGenerator"]()

    def __init__(self) -> None:
        self.alive.add(self)

    @property
    def device(self) -> torch.device:
        return PRETEND

    @classmethod
    def has(cls, generator: CPUGenerator) -> bool:
        """Operators get generators as other Python objects, so what these wrap is compared."""
        return any(generator._cdata == known._cdata for known in cls.alive)


def generator_of(device: torch.device | str = "cpu") -> torch.Generator:
    """What `torch.Generator` makes, for this device, too."""
    return PretendGenerator() if torch.device(device).type == PRETEND.type else CPUGenerator(device)


class OnPretend(TorchDispatchMode):
    """Where this holds, tensors can be made on `pretend:0` and moved there.

    Attributes:
        operations: number of results that were left there.
    """

    operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = computed(function, args, kwargs or {})
        self.operations += isinstance(result, PretendTensor)
        return result


def computed(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of an operator, computed on the CPU, on the device where an accelerator has it."""
    leaves = tree.tree_leaves((args, kwargs))
    operands = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    ours = [operand for operand in operands if isinstance(operand, PretendTensor)]
    asked = kwargs.get("device")
    if not ours and (asked is None or torch.device(asked).type != PRETEND.type):
        return function(*args, **kwargs)
    if function not in BETWEEN_DEVICES:
        _require_one_device(function, args, operands, ours)
    for leaf in leaves:
        if isinstance(leaf, CPUGenerator) and not PretendGenerator.has(leaf):
            raise RuntimeError(f"{function}: a generator on {leaf.device}, tensors on {PRETEND}")
    raw_args, raw_kwargs = tree.tree_map_only(
        PretendTensor, lambda tensor: tensor.raw, (args, kwargs)
    )
    if asked is not None:
        raw_kwargs["device"] = torch.device("cpu")
    result = function(*raw_args, **raw_kwargs)
    if torch.Tag.inplace_view in function.tags:
        _change_view(function, args, kwargs)
    if function in (aten.copy_.default, aten._copy_from.default):
        return args[0]
    if (torch.device(asked).type if asked is not None else PRETEND.type) != PRETEND.type:
        return result.clone() if any(result is operand.raw for operand in ours) else result
    known = {id(operand.raw): operand for operand in ours}  # an `out`, or one changed in place
    return tree.tree_map_only(
        Tensor,
        lambda tensor: known[id(tensor)] if id(tensor) in known else PretendTensor(tensor),
        result,
    )


def _change_view(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Changes the sizes of the wrapper itself, for `unsqueeze_` and the like."""
    before = torch._C._meta_in_tls_dispatch_include()
    with no_dispatch():
        torch._C._set_meta_in_tls_dispatch_include(True)
        try:
            function(*args, **kwargs)
        finally:
            torch._C._set_meta_in_tls_dispatch_include(before)


def _require_one_device(
    function: Any, args: tuple[Any, ...], operands: list[Tensor], ours: list[PretendTensor]
) -> None:
    if function in WITH_INDICES_FROM_THE_CPU:
        operands = [args[0], *(part for part in args[2:] if isinstance(part, Tensor))]
        ours = [operand for operand in operands if isinstance(operand, PretendTensor)]
    others = [operand for operand in operands if not isinstance(operand, PretendTensor)]
    is_list = any(isinstance(argument, list | tuple) for argument in args[:1])  # cat, stack
    left = [other for other in others if other.dim() > 0 or is_list]
    if (ours and left) or (
        others
        and ours
        and all(operand.dim() == 0 for operand in ours)
        and any(other.dim() > 0 for other in others)
    ):
        raise RuntimeError(
            f"{function}: expected all tensors on one device, got"
            f" {[(tuple(operand.shape), str(operand.device)) for operand in operands]}"
        )


# `torch.tensor` and its like come past the modes.
@torch.library.impl("aten::empty_strided", "PrivateUse1")
def _empty_strided(size, stride, *, dtype=None, **settings: Any) -> Tensor:
    return PretendTensor(torch.empty_strided(size, stride, dtype=dtype))


@torch.library.impl("aten::empty.memory_format", "PrivateUse1")
def _empty(size, *, dtype=None, memory_format=None, **settings: Any) -> Tensor:
    form = memory_format or torch.contiguous_format
    return PretendTensor(torch.empty(size, dtype=dtype, memory_format=form))


@torch.library.impl("aten::_copy_from", "PrivateUse1")
def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    raw = [each.raw if isinstance(each, PretendTensor) else each for each in (source, target)]
    raw[1].copy_(raw[0])
    return target


class PretendAccelerator(Accelerator):
    """Lightning's word for it, `Trainer(accelerator="pretend")`."""

    def setup_device(self, device: torch.device) -> None: ...

    def teardown(self) -> None: ...

    @staticmethod
    def parse_devices(devices: Any) -> int:
        return int(devices)

    @staticmethod
    def get_parallel_devices(devices: Any) -> list[torch.device]:
        return [PRETEND]

    @staticmethod
    def auto_device_count() -> int:
        return 1

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def name() -> str:
        return "pretend"

    def get_device_stats(self, device: Any) -> dict[str, Any]:
        return {}


AcceleratorRegistry.register("pretend", PretendAccelerator, override=True)


@contextmanager
def on_pretend() -> Iterator[OnPretend]:
    """The device is usable inside, also as Lightning's accelerator "pretend"."""
    strategy = mock.Mock(side_effect=lambda: SingleDeviceStrategy(device=PRETEND))
    with (
        OnPretend() as mode,
        mock.patch.object(torch, "Generator", generator_of),
        mock.patch.object(_AcceleratorConnector, "_choose_strategy", strategy),
    ):
        yield mode
