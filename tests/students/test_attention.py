"""The block computes what the transformers library's SegFormer layer computes."""

import pytest
import torch
from safetensors.torch import load_file

from students.attention import EfficientSelfAttention, SegformerBlock, to_map, to_tokens

OURS_TO_THEIRS = {
    "attention_norm": "layernorm_before",
    "attention.query": "attention.q_proj",
    "attention.key": "attention.k_proj",
    "attention.value": "attention.v_proj",
    "attention.output": "attention.o_proj",
    "attention.reduce": "attention.sequence_reduction.sequence_reduction",
    "attention.reduce_norm": "attention.sequence_reduction.layer_norm",
    "feed_forward_norm": "layernorm_after",
    "feed_forward.expand": "mlp.fc1",
    "feed_forward.depthwise": "mlp.dwconv.dwconv",
    "feed_forward.contract": "mlp.fc2",
}


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_a_block_equals_the_transformers_library(reduction, repository):
    golden = load_file(repository / "tests" / "golden" / "segformer.safetensors")
    theirs = {
        name.removeprefix(f"{reduction}."): value
        for name, value in golden.items()
        if name.startswith(f"{reduction}.")
    }
    tokens, expected = theirs.pop("input"), theirs.pop("output")
    ours = SegformerBlock(dim=16, heads=4, mlp_ratio=2.0, reduction=reduction).eval()
    ours.load_state_dict(
        {
            name: theirs[f"{OURS_TO_THEIRS[name.rsplit('.', 1)[0]]}.{name.rsplit('.', 1)[1]}"]
            for name in ours.state_dict()
        }
    )
    assert len(ours.state_dict()) == len(theirs)
    with torch.no_grad():
        computed = to_tokens(ours(to_map(tokens, 8)))
    torch.testing.assert_close(computed, expected, rtol=1e-4, atol=1e-5)


def test_tokens_and_maps_are_each_others_inverse():
    features = torch.randn(2, 3, 4, 5)
    assert torch.equal(to_map(to_tokens(features), 4), features)
    assert torch.equal(to_tokens(features)[0, 6], features[0, :, 1, 1])


def test_without_position_attention_does_not_care_for_the_order_of_tokens():
    torch.manual_seed(0)
    attention = EfficientSelfAttention(dim=16, heads=2, reduction=1).eval()
    tokens, order = torch.randn(1, 12, 16), torch.randperm(12)
    with torch.no_grad():
        torch.testing.assert_close(attention(tokens[:, order], 3), attention(tokens, 3)[:, order])


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match="5 attention heads don't divide 16"):
        SegformerBlock(dim=16, heads=5)
