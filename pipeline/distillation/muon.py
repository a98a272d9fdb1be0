"""Muon: momentum whose matrices are orthogonalised before the update (Jordan et al. 2024), with
Adam for everything that is no matrix.

torch.optim.Muon takes 2-D parameters only, of which a convolutional encoder has few, and works in
bfloat16, which CPUs without AVX512-BF16 emulate.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

COEFFICIENTS = (3.4445, -4.775, 2.0315)
"""Of the quintic iteration: its slope at 0 is steep, and it maps [0, 1] to about [0.7, 1.2]."""

ITERATIONS = 5


def orthogonalised(matrices: Float[Tensor, "matrix row column"]) -> Tensor:
    """Each matrix with its singular values moved to about 1, by Newton-Schulz iterations.

    Float32 in and out; rows and columns may be any numbers.

    An iteration is X ← P X with P = a + b G + c G² and G = X Xᵀ. P is a polynomial in G, so that
    the next G is P G P: all iterations are done on the smaller square, and X is multiplied once by
    the product of the P.
    """
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    # The Frobenius norm bounds the largest singular value.
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    gram = x @ x.mT
    product = factor = _polynomial(gram)
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _polynomial(gram)
        product = factor @ product
    x = product @ x
    return x.mT if is_tall else x


def _polynomial(gram: Float[Tensor, "matrix row row"]) -> Tensor:
    a, b, c = COEFFICIENTS
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=1, dim2=2).add_(a)
    return factor


class MuonWithAdam(torch.optim.Adam):
    """Muon for the groups whose `"muon"` is true, Adam for the others.

    A kernel `[out in height width]` is the matrix `[out, in·height·width]`. Updates are scaled by
    0.2·√max(rows, columns), so that their root mean square is about Adam's and one learning rate
    suits both (Liu et al. 2025, eq. 4).

    Args:
        groups: parameter groups with `"muon"`; those of Muon hold tensors of 2 or more dimensions.
        momentum: of Muon's groups (Nesterov).
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        momentum: float = 0.95,
        fused: bool | None = None,
    ) -> None:
        super().__init__(groups, betas=betas, fused=fused)
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:  # type: ignore[override]
        """One update of all groups."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["muon"]]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["muon"]:
                self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        # Matrices of one shape are orthogonalised together.
        same: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
        for parameter in group["params"]:
            if parameter.grad is not None:
                same[parameter.shape[0], parameter[0].numel()].append(parameter)
        for (rows, columns), parameters in same.items():
            directions = []
            for parameter in parameters:
                state = self.state[parameter]
                if not state:  # Adam expects a step in every state that it loads
                    state["step"] = torch.tensor(0.0)
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                state["step"] += 1
                average = state["momentum_buffer"]
                average.lerp_(parameter.grad, 1 - self.momentum)  # type: ignore[arg-type]
                directions.append(parameter.grad.lerp(average, self.momentum).flatten(1))  # type: ignore[union-attr]
            scale = 0.2 * max(rows, columns) ** 0.5
            for parameter, update in zip(
                parameters, orthogonalised(torch.stack(directions)), strict=True
            ):
                parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * scale)
