"""What the file of an exported network says about itself, for other programs and for `runtime=`."""

import json
from importlib.metadata import PackageNotFoundError, version

import torch

from pipeline.lifter import Lifter

from .network_file import FLOAT32, weights_sha256
from .onnx_graph import OPSET, Graph

IMAGE = (
    "one upright square portrait: RGB in that order, sRGB as in files, [-1, 1] = pixel / 127.5 - 1;"
    " cropped as the student's training images are (docs/portraits.md), transparent pixels in front"
    " of the teacher's background"
)

PLANES = (
    "three feature planes, their axes (width, height), box and depth in `passport`; bilinear,"
    " align_corners=False, zeros outside, the mean of the three (docs/concepts.md)"
)


def metadata_of(
    lifter: Lifter, network: str, graph: Graph, meanings: dict[str, str], image_size: int
) -> dict[str, str]:
    """Texts by name.

    Args:
        lifter: the student.
        network: encoder, decoder or renderer.
        graph: that of the network.
        meanings: of its inputs and outputs, by name.
        image_size: side of the images that the encoder takes.
    """
    description = lifter.description()
    passport = description.pop("passport")
    inputs = {
        name: [graph.free.get(name, {}).get(axis, side) for axis, side in enumerate(tensor.shape)]
        for name, tensor in graph.inputs.items()
    }
    return {
        "trilift": _version(),
        "network": network,
        "precision": FLOAT32,
        "inputs": json.dumps(
            {name: {"shape": shape, "is": meanings[name]} for name, shape in inputs.items()}
        ),
        "outputs": json.dumps({name: {"is": meanings[name]} for name in graph.outputs}),
        "normalisation": "pixel / 127.5 - 1",
        "image_size": str(image_size),
        "weights_sha256": weights_sha256(
            lifter.encoder if network == "encoder" else lifter.renderer
        ),
        "teacher": lifter.passport.name,
        "teacher_sha256": lifter.passport.source_hash,
        "licence": lifter.passport.licence,
        "passport": json.dumps(passport),
        "student": json.dumps(description),
        "torch": torch.__version__,
        "opset": str(OPSET),
    }


def _version() -> str:
    try:
        return version("trilift")
    except PackageNotFoundError:
        return "not installed"
