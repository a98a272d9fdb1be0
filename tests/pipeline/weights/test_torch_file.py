"""torch.save's first format, read without torch and without executing anything."""

import io

import numpy as np
import pytest
import torch

from pipeline.weights.torch_file import read_state_dict


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_tensors_of_every_layout_come_out_as_torch_has_them():
    torch.manual_seed(0)
    whole = torch.randn(4, 6)
    state = torch.nn.BatchNorm2d(3).state_dict()
    state |= {"whole": whole, "turned": whole.T, "part": whole[1:, 2:4]}
    found = read_state_dict(saved(state))
    assert set(found) == set(state)
    for name, array in found.items():
        np.testing.assert_array_equal(array, state[name].numpy())


class _Call:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("value", [{"a": _Call()}, {"a": 1}, [torch.zeros(2)], _Call()])
def test_anything_else_is_refused_and_not_executed(value, capsys):
    with pytest.raises(ValueError, match=r"refused|something else"):
        read_state_dict(saved(value))
    assert capsys.readouterr().out == ""


def test_a_file_that_ends_early_is_refused():
    content = saved({"a": torch.arange(100.0), "b": torch.zeros(3)})
    for end in range(0, len(content), 37):
        with pytest.raises(ValueError):
            read_state_dict(content[:end])
