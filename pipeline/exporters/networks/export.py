"""`trilift export network=…`: files, their metadata, and a report of how near they are to torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.inference.background import background_of
from pipeline.inference.runtimes.metadata import metadata_of
from pipeline.inference.runtimes.network_file import read_metadata
from pipeline.lifter import Lifter
from pipeline.pictures import tile, write_png
from pipeline.runs.files import sha256_of_file, write_json
from pipeline.runs.provenance import hardware, processor_flags, versions
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.kernels import use_kernels

from .files import readers, write_network
from .graphs import MEANINGS, NetworkName, network_graph
from .parity import (
    LARGEST_ERROR,
    LARGEST_OF_A_RAY,
    LEAST_PSNR,
    Truth,
    decoder_parity,
    encoder_parity,
    is_within,
    renderer_parity,
)

PUPPET_SIDE = 128
"""Puppets are drawn no larger, and enlarged: they are inputs, not what is judged."""

MAGNIFIED = 1000
"""Differences in the sheet."""

TABULATED = ("planes", "colors", "logits", "density", "depth", "opacity", "odd_points")
"""Errors in the table."""

PARITIES: dict[NetworkName, Callable[..., dict[str, Any]]] = {
    "encoder": encoder_parity,
    "decoder": decoder_parity,
    "renderer": renderer_parity,
}


@dataclass(frozen=True)
class Settings:
    """What is written, and how it is compared.

    Attributes:
        network: which of the networks.
        formats: of `files.FORMATS`.
        batches: sizes that are tried of networks with a free batch.
    """

    network: NetworkName
    formats: tuple[str, ...]
    batches: tuple[int, ...] = (1, 2, 5)


@dataclass(frozen=True)
class ExportedNetwork:
    """What was written.

    Attributes:
        files: the network's own; the report and its pictures aren't among them.
        is_within: whether every file is within the limits of the comparison.
    """

    files: tuple[Path, ...]
    is_within: bool


def export_network(
    lifter: Lifter,
    settings: Settings,
    images: Float[Tensor, "batch 3 height width"],
    folder: Path,
    say: Callable[[str], None],
) -> ExportedNetwork:
    """Writes NETWORK.onnx, NETWORK.xml with NETWORK.bin, NETWORK.pt2, and the report NETWORK.json.

    Encoders and renderers also get NETWORK.png: torch's views, and a thousand times the difference.

    Args:
        lifter: the student, in evaluation mode, on the CPU.
        settings: see there.
        images: the inputs of the comparison, in [-1, 1].
        folder: where to.
        say: takes the lines of the table.

    Raises:
        ValueError: the network can't be exported.
    """
    network = settings.network
    graph = network_graph(lifter, network, images.shape[-1])
    metadata = metadata_of(lifter, network, graph, MEANINGS, images.shape[-1])
    written = write_network(graph, metadata, folder, settings.formats)
    with use_kernels("readable"):
        truth = Truth.of(lifter, images)
        rows = [_compared(truth, settings, name, files) for name, files in written.items()]
    found = [row for part in rows for row in part]
    pictures = [row.pop("pictures", None) for row in found]
    if pictures[0] is not None:
        write_png(folder / f"{network}.png", difference_sheet(truth, found, pictures))
    report = {
        "network": network,
        "reference": "torch, readable kernels, float32, one image at a time",
        "limits": {"error": LARGEST_ERROR, "ray": LARGEST_OF_A_RAY, "psnr_db": LEAST_PSNR},
        "inputs": len(images),
        "reference_seconds": truth.seconds if network == "encoder" else None,
        "rows": found,
        "metadata": metadata,
        "hardware": {**hardware(), "processor_flags": processor_flags()},
        "versions": versions(),
    }
    write_json(folder / f"{network}.json", report)
    for line in table(found):
        say(line)
    return ExportedNetwork(
        tuple(file for files in written.values() for file in files),
        all(row["within"] for row in found),
    )


def _compared(
    truth: Truth, settings: Settings, name: str, files: Sequence[Path]
) -> list[dict[str, Any]]:
    """A row for each program that reads a format."""
    read_metadata(files[0])  # as whoever opens it will
    rows = []
    for session in readers(name):
        session.open(files[0])
        measured = PARITIES[settings.network](truth, session, settings.batches)
        rows.append(
            {
                "format": name,
                "program": session.name,
                "precision": session.precision,
                "files": {
                    file.name: {"bytes": file.stat().st_size, "sha256": sha256_of_file(file)}
                    for file in files
                },
                **measured,
                "within": is_within(measured),
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The report's rows as lines."""
    lines = [f"{'format':9} {'read by':34} {'worst against torch'}"]
    for row in rows:
        parts = [
            f"{key} {row[key]['max']:.1e} {row[key]['unit']} (mean {row[key]['mean']:.1e})"
            for key in TABULATED
            if key in row
        ]
        if "psnr" in row:
            parts.append(f"views {row['psnr']:.0f} dB, {row['levels']['max']:.3f} levels")
        if row.get("batches"):
            parts.append(f"batches {', '.join(row['batches'])}")
        verdict = "" if row["within"] else "  BEYOND THE LIMITS"
        lines.append(f"{row['format']:9} {row['program']:34} {'; '.join(parts)}{verdict}")
    return lines


def difference_sheet(
    truth: Truth, rows: Sequence[dict[str, Any]], pictures: Sequence[list[Tensor]]
) -> Float[Tensor, "3 sheet_height sheet_width"]:
    """A row for each input: it, torch's second view, and the differences of each program."""
    side = truth.views[0].image.shape[-1]
    cells = []
    for number, image in enumerate(truth.images):
        reference = truth.views[number].image[-1]
        differences = [
            ((views[number][-1] - reference) * MAGNIFIED).clamp(-1, 1) for views in pictures
        ]
        cells.append([_resized(image, side), reference.clamp(-1, 1), *differences])
    programs = [
        f"{row['format']} by\n{row['program'].split(',')[0]}\ntimes {MAGNIFIED}" for row in rows
    ]
    return tile(cells, 4, column_labels=["input", "torch", *programs])


def puppets(lifter: Lifter, count: int, side: int) -> Float[Tensor, "batch 3 height width"]:
    """Test puppets, turned from one side to the other, as inputs, with the teacher's background."""
    passport = lifter.passport
    camera = passport.orbit(torch.linspace(-0.4, 0.4, count))
    with use_kernels("readable"):
        views = PuppetWorld(supersampling=1).render(
            WorldSeeds.of(Split.TEST, range(count)), camera, min(side, PUPPET_SIDE)
        )
    images = views.image(background_of(passport))
    return torch.stack([_resized(image, side) for image in images])


def _resized(image: Float[Tensor, "3 height width"], side: int) -> Float[Tensor, "3 side side"]:
    if image.shape[-1] == side:
        return image
    return F.interpolate(
        image[None], size=(side, side), mode="bicubic", align_corners=False, antialias=True
    )[0].clamp(-1, 1)
