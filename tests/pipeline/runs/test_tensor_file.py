"""Files of tensors: equal contents are equal bytes, and read back as written."""

import json

import pytest
import torch
from safetensors import safe_open

from pipeline.runs.tensor_file import write_tensors

TENSORS = {"b": torch.arange(3.0), "a": torch.tensor([[1, 2]], dtype=torch.int16)}


@pytest.mark.parametrize("count", [0, 1, 12])
def test_tensors_and_metadata_are_read_back(tmp_path, count):
    metadata = {f"key{number}": f'"{number}" 頭\n' for number in range(count)} or None
    write_tensors(tmp_path / "file", TENSORS, metadata)
    with safe_open(tmp_path / "file", "pt") as file:
        assert file.metadata() == metadata
        for name, tensor in TENSORS.items():
            assert torch.equal(file.get_tensor(name), tensor)


def test_the_order_in_which_metadata_is_given_or_hashed_makes_no_difference(tmp_path):
    names = [f"key{number:02d}" for number in range(12)]
    for order in (names, names[::-1]):
        write_tensors(tmp_path / order[0], TENSORS, {name: name for name in order})
    data = (tmp_path / names[0]).read_bytes()
    assert data == (tmp_path / names[-1]).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == names  # by chance once in 479 million
    assert int.from_bytes(data[:8], "little") % 8 == 0
