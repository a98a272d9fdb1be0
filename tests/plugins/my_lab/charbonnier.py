"""A plug-in loss."""

from torch import Tensor

from pipeline.losses.kinds import PictureLoss


class CharbonnierLoss(PictureLoss):
    def compare(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target).square() + 1e-6).sqrt().mean()
