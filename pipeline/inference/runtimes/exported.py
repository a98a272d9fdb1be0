"""The encoder of a student as one ONNX file in the cache folder, compared with torch when made."""

import hashlib
import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import students
from pipeline.lifter import Lifter
from pipeline.runs.files import replaced_file, sha256_of_json, write_json
from pipeline.runs.kernel_choice import cache_folder

from .sessions import Session

log = logging.getLogger(__name__)

OPSET = 20

LARGEST_ERROR = 1e-3
"""Of planes, in their standard deviation: float32 stays below 1e-4."""


class ExportedEncoder:
    """An encoder that another program runs, for one image of one size at a time.

    Attributes:
        session: the program.
        image_size: side of the image.
        error: against torch, largest and mean, in standard deviations of the planes.
    """

    def __init__(self, session: Session, image_size: int, error: dict[str, float]) -> None:
        self.session, self.image_size, self.error = session, image_size, error

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """An image in [-1, 1] → planes.

        Raises:
            ValueError: another number or size of images.
        """
        expected = (1, 3, self.image_size, self.image_size)
        if tuple(image.shape) != expected:
            raise ValueError(
                f"{list(image.shape)} came, the exported encoder takes {list(expected)}: lift one"
                " image of that size at a time, or use runtime=torch"
            )
        return self.session(image.contiguous())

    def __str__(self) -> str:
        return (
            f"{self.session.name} (planes within {self.error['max']:.1e} of torch's, in their"
            f" standard deviation; mean {self.error['mean']:.1e})"
        )


def exported_encoder(
    lifter: Lifter, image_size: int, runtime: str, session: Session
) -> ExportedEncoder:
    """Opens a student's encoder in another program; exports and compares it the first time.

    Raises:
        ValueError: the encoder can't be exported, or its planes differ from torch's.
    """
    circumstances = _circumstances(lifter, image_size)
    path = cache_folder() / "encoders" / f"{sha256_of_json(circumstances)[:20]}.onnx"
    if not path.exists():
        export_encoder(lifter.encoder, image_size, path)
    session.open(path)
    report = path.with_suffix(f".{runtime}.json")
    error = _known(report, session.name)
    if error is None:
        error = _compared(lifter.encoder, image_size, session)
        write_json(report, {"runtime": session.name, **error, **circumstances})
    if not error["max"] <= LARGEST_ERROR:
        raise ValueError(
            f"{session.name} computes other planes than torch: they differ by up to"
            f" {error['max']:.1e} of their standard deviation, more than {LARGEST_ERROR:g}: use"
            " runtime=torch"
        )
    return ExportedEncoder(session, image_size, error)


def export_encoder(encoder: nn.Module, image_size: int, path: Path) -> None:
    """Writes an encoder as one ONNX file, for one image `[1 3 image_size image_size]` at a time.

    Raises:
        ValueError: it can't be exported.
    """
    started = time.perf_counter()
    image = torch.zeros(1, 3, image_size, image_size)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                encoder, (image,), dynamo=True, opset_version=OPSET, verbose=False
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ValueError(
            f"this {type(encoder).__name__} can't be exported ({str(error).splitlines()[0]}): use"
            " runtime=torch"
        ) from error
    assert program is not None
    with replaced_file(path) as temporary:
        program.save(str(temporary), external_data=False)
    log.info("exported in %.0f s: %s", time.perf_counter() - started, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' remarks on their steps."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@torch.no_grad()
def _compared(encoder: nn.Module, image_size: int, session: Session) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, image_size, image_size, generator=generator) * 2 - 1
    expected = encoder(image)
    distance = (session(image) - expected).abs() / expected.std()
    return {"max": float(distance.max()), "mean": float(distance.mean())}


def _circumstances(lifter: Lifter, image_size: int) -> dict[str, Any]:
    """Everything that the file depends on."""
    digest = hashlib.sha256()
    for name, tensor in lifter.encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    recipe = lifter.recipes["encoder"]
    return {
        "weights": digest.hexdigest(),
        "encoder": {"target": recipe.target, "arguments": recipe.arguments},
        "sources": _sources(),
        "image_size": image_size,
        "torch": torch.__version__,
        "opset": OPSET,
    }


def _sources() -> str:
    """A hash of the students' code."""
    digest = hashlib.sha256()
    for path in sorted(Path(students.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _known(report: Path, runtime: str) -> dict[str, float] | None:
    try:
        stored = json.loads(report.read_text())
        same = stored["runtime"] == runtime
        return {name: float(stored[name]) for name in ("max", "mean")} if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
