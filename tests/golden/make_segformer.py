"""Writes segformer.safetensors: what the transformers library's SegFormer layer computes.

python tests/golden/make_segformer.py        # needs transformers
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import SegformerConfig, __version__
from transformers.models.segformer.modeling_segformer import SegformerLayer

DIM, HEADS, HEIGHT, WIDTH = 16, 4, 8, 12


def main() -> None:
    torch.manual_seed(0)
    tensors = {}
    for reduction in (1, 2, 4):
        layer = SegformerLayer(SegformerConfig(), DIM, HEADS, 0.0, reduction, 2).eval()
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        tokens = torch.randn(2, HEIGHT * WIDTH, DIM)
        with torch.no_grad():
            computed = layer(tokens, HEIGHT, WIDTH)
        computed = computed[0] if isinstance(computed, tuple) else computed
        arrays = {"input": tokens, "output": computed, **layer.state_dict()}
        tensors |= {f"{reduction}.{name}": array.contiguous() for name, array in arrays.items()}
    path = Path(__file__).with_name("segformer.safetensors")
    save_file(tensors, path, {"transformers": __version__})


if __name__ == "__main__":
    main()
