"""The shipped networks are what the conversion writes, and only from the pinned packages."""

import json
import zipfile

import pytest
from safetensors import safe_open

from pipeline.portraits.facemesh.detector import PRETRAINED
from pipeline.weights.facemesh import SOURCES
from pipeline.weights.packages import Package


@pytest.mark.parametrize("name", SOURCES)
def test_a_shipped_network_names_its_source_and_licence(name):
    path = PRETRAINED / f"{name}.safetensors"
    assert path.stat().st_size < 16e6
    with safe_open(path, framework="pt") as file:
        graph = json.loads(file.metadata()["graph"])
    source = SOURCES[name]
    assert graph["licence"] == "Apache-2.0"
    assert source.member in graph["source"] and source.sha256 in graph["source"]
    assert (
        name in (PRETRAINED / "NOTICE.md").read_text()
        and source.sha256 in (PRETRAINED / "NOTICE.md").read_text()
    )


def test_a_package_of_another_hash_or_without_the_file_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a-1.whl", "w") as archive:
        archive.writestr("inside.bin", "content")
    digest = "0" * 64
    with pytest.raises(ValueError, match="it is another file"):
        Package("a", "1", "a-1.whl", digest, 1).fetch(tmp_path)
