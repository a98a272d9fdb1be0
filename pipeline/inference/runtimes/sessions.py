"""Other programs than torch that run an encoder from its ONNX file, in float32 on the CPU."""

import importlib.util
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Session(Protocol):
    """One program; `open` reads a file, then it is called."""

    name: str

    def open(self, path: Path) -> None:
        """Reads an encoder."""
        ...

    def __call__(self, image: Tensor) -> Tensor:
        """The planes of an image of the size that was exported."""
        ...


class OnnxRuntime:
    """ONNX Runtime, as many threads as torch has.

    Raises:
        ValueError: it isn't installed.
    """

    def __init__(self) -> None:
        _require("onnxruntime", extra="onnx", packages=("onnxruntime", "onnx", "onnxscript"))
        self.name = f"ONNX Runtime {version('onnxruntime')}, float32"
        self._session: Any = None

    def open(self, path: Path) -> None:
        """See `Session.open`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Its threads would go on waiting busily, on the cores that render the views.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, image: Tensor) -> Tensor:
        """See `Session.__call__`."""
        feed = {self._session.get_inputs()[0].name: image.numpy()}
        return torch.from_numpy(self._session.run(None, feed)[0])


class OpenVino:
    """OpenVINO's CPU plug-in, as many threads as torch has.

    It would choose bfloat16 by itself on processors that have it: float32 is asked for, and what
    the compiled model says it uses is in `name`.

    Raises:
        ValueError: it isn't installed.
    """

    def __init__(self) -> None:
        _require("openvino", extra="openvino", packages=("openvino", "onnx", "onnxscript"))
        self.name = f"OpenVINO {version('openvino')}"
        self._model: Any = None

    def open(self, path: Path) -> None:
        """See `Session.open`."""
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self._model = openvino.Core().compile_model(str(path), "CPU", settings)
        precision = self._model.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.name = f"OpenVINO {version('openvino')}, {precision}"

    def __call__(self, image: Tensor) -> Tensor:
        """See `Session.__call__`."""
        return torch.from_numpy(self._model([image.numpy()])[0].copy())


SESSIONS: Final[dict[str, Callable[[], Session]]] = {
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
}
"""By the value of `runtime=`."""


def _require(runtime: str, *, extra: str, packages: tuple[str, ...]) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"runtime={runtime} needs {' and '.join(missing)}, not installed here:"
            f" pip install 'trilift[{extra}]', or runtime=torch"
        )
