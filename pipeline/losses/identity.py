"""L_cate for faces: cosine distance of ArcFace embeddings (LP3D eq. 5; Deng et al. 2019). Second
stage, weight 1.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from teachers.rendering.rendering import Rendering

from .face_box import crop_box, require_face_box
from .frozen import Frozen
from .iresnet import FACE_SIZE, IResNet
from .kinds import ViewLoss
from .onnx_network import OnnxNetwork
from .weight_files import WeightFile, require_weights

EG3D_FACE_BOX = (0.095, 0.0, 0.904, 0.809)
"""ArcFace's training crop within a frontal EG3D crop: left, top, right, bottom in image sizes.

In this square the five mean landmarks of EG3D's alignment (Deng et al. 2019) lie within a pixel of
ArcFace's template.
"""

SOURCE = (
    "insightface: a backbone.pth of its arcface_torch model zoo (iresnet18 to 100), or a"
    " recognition model in ONNX, such as w600k_r50.onnx of buffalo_l; published for non-commercial"
    " research"
)


class IdentityLoss(ViewLoss):
    """1 - cos(e, e*) of the embeddings of the final images' faces.

    Args:
        weight: factor in the sum.
        weights_folder: has the file.
        file: an iresnet as insightface publishes it (.pth or .safetensors), or an ONNX graph of a
            face network (.onnx; needs the package onnx). Both take RGB crops of 112² in [-1, 1].
        sha256: hash of the file, or its beginning.
        face_box: left, top, right and bottom of the crop, in image sizes.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a face network, or the box is none.
    """

    def __init__(
        self,
        *,
        weights_folder: Path | str,
        file: str,
        weight: float | int = 1.0,
        sha256: str | None = None,
        face_box: Sequence[float | int] = EG3D_FACE_BOX,
    ) -> None:
        super().__init__(weight=weight)
        self.face_box = require_face_box(face_box)
        (path,) = require_weights(
            [WeightFile(file, "an ArcFace network", SOURCE, sha256)], Path(weights_folder)
        )
        self.network = Frozen(face_network(path))

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In [0, 2]: 0 for the same face, about 1 for unrelated identities. The target gets no
        gradient.
        """
        return (
            1
            - F.cosine_similarity(
                self.embed(prediction.image), self.embed(target.image.detach())
            ).mean()
        )

    def embed(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch embedding"]:
        """Images in [-1, 1] → embeddings of their faces, not normalised."""
        embeddings: Tensor = self.network(crop_face(image, self.face_box))
        return embeddings


def face_network(path: Path) -> nn.Module:
    """The network in a file: crops of 112² in [-1, 1] → embeddings; ValueError if it isn't one.

    A graph is tried at once: a plan may not look at the identity before its last stage.
    """
    if path.suffix != ".onnx":
        return IResNet.load(path)
    network = OnnxNetwork(path)
    try:
        with torch.no_grad():
            embedded = network(torch.zeros(2, 3, FACE_SIZE, FACE_SIZE, device="cpu"))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} can't embed two faces of {FACE_SIZE}² pixels ({str(error).splitlines()[0]}):"
            " give a face recognition network"
        ) from error
    if embedded.ndim != 2 or len(embedded) != 2:
        raise ValueError(
            f"{path} makes {list(embedded.shape)} of two faces, expected two rows: give a face"
            " recognition network"
        )
    return network


def crop_face(
    image: Float[Tensor, "batch 3 height width"], box: Sequence[float | int]
) -> Float[Tensor, "batch 3 112 112"]:
    """See `crop_box`."""
    return crop_box(image, box, FACE_SIZE)
