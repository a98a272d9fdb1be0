"""What is fetched is what losses and metrics ask for."""

import hashlib
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

import pipeline.evaluation
from pipeline.losses import identity_distance, trunks
from pipeline.losses.dists import DISTS, FITTED, L2Pool, fitted_weights
from pipeline.losses.dlib_resnet import SAME_IDENTITY, DlibResNet
from pipeline.portraits.face import Picture
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops
from pipeline.weights.catalogue import OUTSIDE
from pipeline.weights.packages import Package

NAMED = {outside.name: outside for outside in OUTSIDE}
ASTRONAUT = Path(pipeline.evaluation.__file__).parent / "examples" / "astronaut.jpg"


def fetched(name: str) -> Path:
    """A file of the weights folder; the test is skipped where it hasn't been fetched."""
    path = Path(os.environ.get("TRILIFT_WEIGHTS", "weights")) / NAMED[name].file
    if not path.is_file():
        pytest.skip(f"no {path}: run `trilift weights {name}`")
    return path


def test_names_and_hashes_are_those_that_losses_and_metrics_expect():
    assert len(NAMED) == len(OUTSIDE)
    for name, published in (("vgg16", trunks.VGG16_FILE), ("alexnet", trunks.ALEXNET_FILE)):
        expected = trunks.CONVERTED[published]
        assert (NAMED[name].file, NAMED[name].sha256) == (expected.name, expected.sha256)
    expected = identity_distance.FILE
    assert (NAMED["identity"].file, NAMED["identity"].sha256) == (expected.name, expected.sha256)


def test_what_no_package_carries_names_its_address_and_terms(tmp_path):
    with pytest.raises(ValueError, match=r"insightface.*non-commercial"):
        NAMED["arcface"].fetch(tmp_path, tmp_path)


def test_an_archive_s_file_is_read_and_another_archive_is_refused(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"content")
    with tarfile.open(tmp_path / "a-1.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "weights.bin", "a-1/weights.bin")
    digest = hashlib.sha256((tmp_path / "a-1.tar.gz").read_bytes()).hexdigest()
    package = Package("a", "1", "a-1.tar.gz", digest, 1)
    inside = hashlib.sha256(b"content").hexdigest()
    assert package.member(tmp_path, "a-1/weights.bin", inside) == b"content"
    with pytest.raises(ValueError, match=r"has no a-1/other\.bin"):
        package.member(tmp_path, "a-1/other.bin", inside)
    with pytest.raises(ValueError, match="it is another file"):
        package.member(tmp_path, "a-1/weights.bin", digest)


def test_dists_on_fetched_weights_is_torchmetrics_documented_value():
    trunk = trunks.vgg16(pool=L2Pool).load(fetched("vgg16"), "VGG16")
    fitted = fitted_weights(FITTED.find(Path("nowhere")), 3 + sum(trunk.channels))
    torch.manual_seed(42)
    pair = torch.rand(5, 3, 256, 256), torch.rand(5, 3, 256, 256)
    with torch.no_grad():
        distances = DISTS(trunk, *fitted)(*(image * 2 - 1 for image in pair))
    expected = [0.1285, 0.1344, 0.1356, 0.1277, 0.1276]
    np.testing.assert_allclose(distances.numpy(), expected, atol=5e-5)


def test_the_astronaut_altered_is_one_identity_for_the_fetched_network():
    network = DlibResNet.load(fetched("identity")).eval()
    framing = FaceCrops(FaceMeshDetector())

    def embedding(image: Image.Image) -> torch.Tensor:
        (framed,) = framing.frame(Picture(image, ASTRONAUT))
        assert framed.face_found
        with torch.no_grad():
            return network(identity_distance.dlib_crop(framed.cut(image, 512)[None]))[0]

    image = Image.open(ASTRONAUT).convert("RGB")
    altered = (ImageOps.mirror(image), ImageEnhance.Brightness(image).enhance(0.6))
    own = embedding(image)
    assert all((embedding(other) - own).norm() < 0.4 * SAME_IDENTITY + 0.06 for other in altered)
