"""The encoder of a student as one ONNX file: the user's, or one in the cache folder; compared with
torch when it is first used here.
"""

import hashlib
import logging
import time
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

import students
from pipeline.lifter import Lifter
from pipeline.runs.files import sha256_of_file, sha256_of_json, write_json
from pipeline.runs.kernel_choice import cache_folder
from teachers.plain_values import read_json_file

from .metadata import IMAGE, PLANES, metadata_of
from .network_file import (
    NotOurs,
    read_metadata,
    require_encoder_of,
    weights_sha256,
    write_onnx,
    write_properties,
)
from .onnx_graph import OPSET, Graph, onnx_model, traced
from .sessions import SESSIONS, Session

log = logging.getLogger(__name__)

LARGEST_ERROR = {False: 1e-3, True: 0.3}
"""Of planes, in their standard deviation, in float32 (which stays below 1e-4) and in bfloat16."""

LAYOUT = 2
"""Of the files in the cache: 2 has a free batch, metadata and a seal."""


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
        return self.session(image.contiguous())[0]

    def __str__(self) -> str:
        return (
            f"{self.session.name} (planes within {self.error['max']:.1e} of torch's, in their"
            f" standard deviation; mean {self.error['mean']:.1e})"
        )


def exported_encoder(
    lifter: Lifter,
    image_size: int,
    runtime: str,
    file: Path | None = None,
    *,
    bfloat16: bool = False,
) -> ExportedEncoder:
    """Opens a student's encoder in another program, and compares it with torch the first time.

    Args:
        lifter: the student.
        image_size: side of its images.
        runtime: the program's name.
        file: what `trilift export network=encoder` wrote; None: one in the cache folder, exported
            if it is missing or damaged.
        bfloat16: computes in that what the program can.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or another student's, the encoder can't be exported, or its
            planes differ from torch's.
    """
    session = SESSIONS[runtime](bfloat16)
    program = f"{runtime}.bfloat16" if bfloat16 else runtime
    circumstances = _circumstances(lifter, image_size)
    path = cache_folder() / "encoders" / f"{sha256_of_json(circumstances)[:20]}.onnx"
    report = path.with_suffix(f".{program}.json")
    if file is not None:
        session.require_readable(file)
        require_encoder_of(file, read_metadata(file), lifter, image_size)
        digest = sha256_of_file(file)
        report = path.with_name(f"{path.stem}.{digest[:20]}.{program}.json")
        circumstances["file"] = digest
    elif not _is_intact(path):
        export_encoder(lifter, image_size, path)
    session.open(path if file is None else file, batch=1)
    error = _known(report, session.name)
    if error is None:
        error = _compared(lifter.encoder, image_size, session)
        write_json(report, {"runtime": session.name, **error, **circumstances})
    limit = LARGEST_ERROR[bfloat16]
    if not error["max"] <= limit:
        raise ValueError(
            f"{session.name} computes other planes than torch: they differ by up to"
            f" {error['max']:.1e} of their standard deviation, more than {limit:g}: use"
            " runtime=torch"
        )
    return ExportedEncoder(session, image_size, error)


def encoder_graph(encoder: nn.Module, image_size: int) -> Graph:
    """An encoder for any number of images of one size."""
    return Graph(
        encoder,
        {"image": torch.zeros(2, 3, image_size, image_size)},
        ("planes",),
        {"image": {0: "batch"}},
    )


def export_encoder(lifter: Lifter, image_size: int, path: Path) -> None:
    """Writes a student's encoder as an ONNX file with its metadata (`metadata_of`) and seal.

    Raises:
        ValueError: it can't be exported.
    """
    started = time.perf_counter()
    graph = encoder_graph(lifter.encoder, image_size)
    model = onnx_model(graph, traced(graph))
    meanings = {"image": IMAGE, "planes": PLANES}
    write_properties(model, metadata_of(lifter, "encoder", graph, meanings, image_size))
    write_onnx(model, path)
    log.info("exported in %.0f s: %s", time.perf_counter() - started, path)


@torch.no_grad()
def _compared(encoder: nn.Module, image_size: int, session: Session) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, image_size, image_size, generator=generator) * 2 - 1
    expected = encoder(image)
    distance = (session(image)[0] - expected).abs() / expected.std()
    return {"max": float(distance.max()), "mean": float(distance.mean())}


def _is_intact(path: Path) -> bool:
    try:
        read_metadata(path)
    except (FileNotFoundError, NotOurs):
        return False
    return True


def _circumstances(lifter: Lifter, image_size: int) -> dict[str, Any]:
    """Everything that the file depends on."""
    recipe = lifter.recipes["encoder"]
    return {
        "weights": weights_sha256(lifter.encoder),
        "encoder": {"target": recipe.target, "arguments": recipe.arguments},
        "sources": _sources(),
        "image_size": image_size,
        "torch": torch.__version__,
        "opset": OPSET,
        "layout": LAYOUT,
    }


def _sources() -> str:
    """A hash of the students' code."""
    digest = hashlib.sha256()
    for path in sorted(Path(students.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Report(TypedDict):
    runtime: str
    max: float
    mean: float


def _known(report: Path, runtime: str) -> dict[str, float] | None:
    try:
        stored = read_json_file(report, _Report)
    except (OSError, ValueError):
        return None
    return {"max": stored["max"], "mean": stored["mean"]} if stored["runtime"] == runtime else None
