"""Annotations are checked where a function is called, in our own way (type_checks.py)."""

import dataclasses

import jaxtyping
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.pictures import depth_picture
from tests.type_checks import WRAP, checked


@checked
def added(left: Float[Tensor, "rows columns"], right: Float[Tensor, "rows"], times: int = 1):
    return left + times * right[:, None]


@checked
def halved(values: Float[Tensor, "rows"]) -> Float[Tensor, "rows"]:
    return values[::2]


@checked
@dataclasses.dataclass
class Pair:
    left: Float[Tensor, "rows"]
    right: "Float[Tensor, 'rows'] | Unknown"


def test_axes_of_one_name_agree_in_a_call_and_are_free_in_the_next():
    for rows in (2, 3):
        assert added(torch.zeros(rows, 4), torch.ones(rows)).shape == (rows, 4)
    with pytest.raises(jaxtyping.TypeCheckError):
        added(torch.zeros(2, 4), torch.ones(3))


def test_arguments_results_and_fields_are_checked():
    with pytest.raises(jaxtyping.TypeCheckError, match="times"):
        added(torch.zeros(2, 4), torch.ones(2), times=1.5)
    assert halved(torch.zeros(1)).shape == (1,)
    with pytest.raises(jaxtyping.TypeCheckError, match="return"):
        halved(torch.zeros(4))
    with pytest.raises(jaxtyping.TypeCheckError):
        Pair(torch.zeros(2, 2), None)
    assert Pair(torch.zeros(2), None).right is None  # a name that is nowhere allows anything


def test_the_packages_are_checked_in_this_way():
    assert jaxtyping.jaxtyped is not WRAP
    with pytest.raises(jaxtyping.TypeCheckError):
        depth_picture(torch.zeros(2, 3, 4, 4), 0.0, 1.0)
