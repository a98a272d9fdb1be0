"""Other programs than torch that run an exported network on the CPU, in float32 unless asked."""

import importlib.util
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import torch
from torch import Tensor

from .network_file import ONNX, OPENVINO

FLOATS = ("f64", "f32", "f16", "bf16")


@runtime_checkable
class Session(Protocol):
    """One program; `open` reads a file, then it is called.

    Attributes:
        name: of the program, its version and precision.
        precision: what it says of its precision once a file is open.
    """

    name: str
    precision: str

    def require_readable(self, path: Path) -> None:
        """Raises ValueError unless it reads files of this suffix."""
        ...

    def open(self, path: Path, batch: int | None = None) -> None:
        """Reads a network; for `batch` rows of each input, or, None, for any number."""
        ...

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs, for inputs in the order of the file."""
        ...


class OnnxRuntime:
    """ONNX Runtime, as many threads as torch has.

    Its CPU kernels compute in the types of the file.

    Args:
        bfloat16: what it can't.

    Raises:
        ValueError: it isn't installed, or bfloat16 is asked for.
    """

    def __init__(self, bfloat16: bool = False) -> None:
        if bfloat16:
            raise ValueError(
                "runtime=onnxruntime computes in the types of the file, float32: give"
                " bfloat16=false, or runtime=openvino or torch"
            )
        _require("onnxruntime", extra="onnx", packages=("onnxruntime", "onnx", "onnxscript"))
        self.name = f"ONNX Runtime {version('onnxruntime')}, float32"
        self.precision = "float32: the types of the file, checked when it is read"
        self._session: Any = None

    def require_readable(self, path: Path) -> None:
        """See `Session.require_readable`."""
        if path.suffix != ONNX:
            raise ValueError(f"runtime=onnxruntime reads .onnx, and {path} is none")

    def open(self, path: Path, batch: int | None = None) -> None:
        """See `Session.open`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Its threads would go on waiting busily, on the cores that render the views.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # On Arm with bfloat16 it could multiply in that.
        options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
        if batch is not None:
            options.add_free_dimension_override_by_name("batch", batch)
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """See `Session.__call__`."""
        names = [found.name for found in self._session.get_inputs()]
        feed = {name: given.numpy() for name, given in zip(names, inputs, strict=True)}
        return tuple(torch.from_numpy(found) for found in self._session.run(None, feed))


class OpenVino:
    """OpenVINO's CPU plug-in, as many threads as torch has.

    It chooses bfloat16 by itself on some processors, and takes a hint for it on others that only
    emulate it. float32 is asked for unless told otherwise, and the compiled operators are asked
    what they compute in.

    Args:
        bfloat16: in bfloat16 what can be; softmax, norms and outputs stay in float32.

    Raises:
        ValueError: it isn't installed.
    """

    def __init__(self, bfloat16: bool = False) -> None:
        _require("openvino", extra="openvino", packages=("openvino", "onnx", "onnxscript"))
        self.name = f"OpenVINO {version('openvino')}"
        self.precision = ""
        self._asked = "bf16" if bfloat16 else "f32"
        self._model: Any = None

    def require_readable(self, path: Path) -> None:
        """See `Session.require_readable`."""
        if path.suffix not in (ONNX, OPENVINO):
            raise ValueError(f"runtime=openvino reads .onnx and .xml, and {path} is neither")

    def open(self, path: Path, batch: int | None = None) -> None:
        """See `Session.open`.

        Raises:
            ValueError: an operator isn't computed as asked.
        """
        import openvino

        core = openvino.Core()
        model = core.read_model(str(path))
        if batch is not None:  # free sizes cost a fifth of the time
            model.reshape(
                {given.get_any_name(): _with_batch(given, batch) for given in model.inputs}
            )
        settings = {
            "INFERENCE_PRECISION_HINT": self._asked,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self._model = core.compile_model(model, "CPU", settings)
        computed = operator_precisions(self._model)
        self.precision = "operators: " + ", ".join(
            f"{count} {name}" for name, count in sorted(computed.items())
        )
        if other := sorted({*computed} & {*FLOATS} - {"f32", self._asked}):
            raise ValueError(
                f"OpenVINO computes {path} in {' and '.join(other)} ({self.precision}), where"
                f" {self._asked} is asked for: export it again, or use runtime=torch"
            )
        if self._asked not in computed:
            raise ValueError(
                f"OpenVINO computes nothing of {path} in {self._asked} ({self.precision}): give"
                " bfloat16=false, or runtime=torch"
            )
        self.name = f"OpenVINO {version('openvino')}, {self._asked}"

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """See `Session.__call__`."""
        found = self._model([given.numpy() for given in inputs])
        return tuple(torch.from_numpy(found[port].copy()) for port in self._model.outputs)


def operator_precisions(compiled: Any) -> Counter[str]:
    """How many operators of a compiled OpenVINO model compute in what, by its own account."""
    operators = compiled.get_runtime_model().get_ordered_ops()
    return Counter(str(found.get_rt_info()["runtimePrecision"].value) for found in operators)


def _with_batch(given: Any, batch: int) -> Any:
    shape = given.get_partial_shape()
    if shape[0].is_dynamic:
        shape[0] = batch
    return shape


SESSIONS: Final[dict[str, Callable[[bool], Session]]] = {
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
}
"""By the value of `runtime=`; given whether it computes in bfloat16."""


def _require(runtime: str, *, extra: str, packages: tuple[str, ...]) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"runtime={runtime} needs {' and '.join(missing)}, not installed here:"
            f" pip install 'trilift[{extra}]', or runtime=torch"
        )
