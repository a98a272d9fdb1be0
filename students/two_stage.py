"""TwoStageEncoder: one photograph → the planes of its identity (LP3D sec. 4.1, supp. A2).

Read this first. The deep, low-resolution half maps the face to the canonical frame (F_low); the
shallow, high-resolution half adds high-frequency detail (F_high); a second transformer fuses them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from .backbone import DeepLabBackbone
from .canonical import CanonicalLift
from .compact import CompactBackbone
from .coordinates import append_coordinates
from .detail import DetailBranch, Fusion
from .imagenet import load_resnet34
from .initial import initialise, scale_weight
from .plane_head import PlaneHead
from .residual_cnn import Mixing

INPUT_MULTIPLE = 32
FIRST_PLANES = 0.1
"""Scale of the initial prediction relative to the teacher's planes: training starts near their
mean.
"""


class TwoStageEncoder(nn.Module):
    """One image in [-1, 1] → planes `[batch 3 plane_channel plane_resolution plane_resolution]`.

    Any square image whose side is a multiple of 32 will do; the planes always have their teacher's
    size. The defaults are the paper's model (87.24 M parameters with 32-channel planes);
    conf/student/ has the smaller ones.

    Args:
        plane_channels, plane_resolution: of the teacher's planes, from its passport.
        image_size: side of the images that it is trained on, and that photographs are resized to.
        backbone: "resnet34" (with ASPP, stride 8) or "compact" (stride 4).
        backbone_widths, backbone_blocks: of the compact backbone; the other one's are ResNet-34's.
        dim: token channels of the first transformer.
        canonical_blocks, canonical_heads, canonical_patch_stride: of the first transformer.
        canonical_widths, canonical_upsamplings: of the convolutions behind it; the input of the
            first ones is upsampled by 2.
        detail_input: input of the detail branch: "image", or the backbone's "layer1" or "layer2".
        detail_widths, detail_strides: of its convolutions.
        fusion_widths: of the convolutions that join the halves.
        fusion_dim, fusion_blocks, fusion_heads, fusion_patch_stride, fusion_reduction: of the
            second transformer.
        mlp_ratio: of both transformers.
        mixing: "attention", or "convolution" for residual convolutions in the places of both
            transformers (an ablation of LP3D).
        head_widths: hidden channels of the last convolutions.
        head_skip: whether the canonical features are concatenated to their input.

    Raises:
        ValueError: sizes that don't go together.
    """

    def __init__(
        self,
        *,
        plane_channels: int = 32,
        plane_resolution: int = 256,
        image_size: int = 512,
        backbone: Literal["resnet34", "compact"] = "resnet34",
        backbone_widths: Sequence[int] = (48, 96, 192),
        backbone_blocks: Sequence[int] = (1, 1, 1),
        dim: int = 1024,
        canonical_blocks: int = 5,
        canonical_heads: int = 4,
        canonical_patch_stride: int = 2,
        canonical_widths: Sequence[int] = (128, 128, 96),
        canonical_upsamplings: int = 2,
        detail_input: Literal["image", "layer1", "layer2"] = "image",
        detail_widths: Sequence[int] = (64, 96, 96, 96, 96),
        detail_strides: Sequence[int] = (2, 1, 1, 1, 1),
        fusion_widths: Sequence[int] = (256, 128),
        fusion_dim: int = 1024,
        fusion_blocks: int = 1,
        fusion_heads: int = 2,
        fusion_patch_stride: int = 2,
        fusion_reduction: int = 2,
        mlp_ratio: float = 2.0,
        mixing: Mixing = "attention",
        head_widths: Sequence[int] = (256, 128, 128),
        head_skip: bool = True,
    ) -> None:
        super().__init__()
        _require_multiple(image_size)
        for name, channels in (("dim", dim), ("fusion_dim", fusion_dim)):
            if channels < 4 or channels % 4:
                raise ValueError(f"{name} is {channels}: a pixel shuffle takes a multiple of 4")
        _require_count("canonical_blocks", canonical_blocks)
        _require_count("canonical_upsamplings", canonical_upsamplings, most=len(canonical_widths))
        _require_count("fusion_blocks", fusion_blocks)
        _require_count("fusion_reduction", fusion_reduction, least=1)
        _require_count("the number of head_widths", len(head_widths), least=1)
        self.image_size = image_size
        self.detail_input = detail_input
        self.backbone = _build_backbone(backbone, backbone_widths, backbone_blocks)
        self.canonical = CanonicalLift(
            in_channels=self.backbone.out_channels,
            dim=dim,
            blocks=canonical_blocks,
            heads=canonical_heads,
            mlp_ratio=mlp_ratio,
            patch_stride=canonical_patch_stride,
            widths=canonical_widths,
            upsamplings=canonical_upsamplings,
            mixing=mixing,
        )
        layers = {"image": 5, **self.backbone.layer_channels}
        self.detail = DetailBranch(
            in_channels=layers[detail_input],
            widths=detail_widths,
            strides=detail_strides,
        )
        self.fusion = Fusion(
            in_channels=self.canonical.out_channels + self.detail.out_channels,
            widths=fusion_widths,
            dim=fusion_dim,
            blocks=fusion_blocks,
            heads=fusion_heads,
            mlp_ratio=mlp_ratio,
            reduction=fusion_reduction,
            patch_stride=fusion_patch_stride,
            mixing=mixing,
        )
        self.plane_head = PlaneHead(
            in_channels=self.fusion.out_channels,
            skip_channels=self.canonical.out_channels if head_skip else 0,
            widths=head_widths,
            plane_channels=plane_channels,
            plane_resolution=plane_resolution,
        )
        self._initialise()

    def _initialise(self) -> None:
        initialise(self)
        self.backbone.initialise_residuals()
        scale_weight(self.plane_head.last, FIRST_PLANES)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 plane_channel plane_height plane_width"]:
        """RGB in [-1, 1] → planes; ValueError unless it is square with a side divisible by 32."""
        _require_square(image)
        positioned = append_coordinates(image)
        features = self.backbone(positioned)  # F_low is the deep one
        canonical = self.canonical(features.deep)  # F = Conv(ViT(F_low)), eq. 3
        detail = self.detail(  # F_high
            positioned if self.detail_input == "image" else getattr(features, self.detail_input)
        )
        fused = self.fusion(canonical, detail)  # T = Conv(ViT(F ⊕ F_high)), eq. 4
        return self.plane_head(fused, canonical)

    def calibrate(
        self, mean: Float[Tensor, " plane_channel"], scale: Float[Tensor, " plane_channel"]
    ) -> None:
        """Sets the mean and scale of the teacher's planes; see `PlaneHead.calibrate`."""
        self.plane_head.calibrate(mean, scale)

    def load_imagenet(self, path: Path) -> None:
        """Starts the ResNet-34 from a local torchvision file.

        Raises:
            ValueError: the student has another backbone, or the file is wrong.
        """
        if not isinstance(self.backbone, DeepLabBackbone):
            raise ValueError(
                f"{path} has ResNet-34 weights, this student has a {type(self.backbone).__name__}:"
                " use backbone=resnet34"
            )
        load_resnet34(self.backbone.resnet, path)


def _build_backbone(
    kind: str, widths: Sequence[int], blocks: Sequence[int]
) -> DeepLabBackbone | CompactBackbone:
    if kind == "resnet34":
        return DeepLabBackbone()
    if kind == "compact":
        return CompactBackbone(
            widths=(widths[0], widths[1], widths[2]), blocks=(blocks[0], blocks[1], blocks[2])
        )
    raise ValueError(f"backbone is {kind!r}, known ones are 'resnet34' and 'compact'")


def _require_square(image: Tensor) -> None:
    height, width = image.shape[2:]
    if height != width:
        raise ValueError(
            f"the student got a {width}x{height} image, it sees squares: crop the photograph first"
        )
    _require_multiple(height)


def _require_count(name: str, count: int, *, least: int = 0, most: int | None = None) -> None:
    if count < least or (most is not None and count > most):
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} is {count}: expected {limits}")


def _require_multiple(size: int) -> None:
    if size <= 0 or size % INPUT_MULTIPLE:
        nearest = max(1, round(size / INPUT_MULTIPLE)) * INPUT_MULTIPLE
        raise ValueError(
            f"image size {size} is not a multiple of {INPUT_MULTIPLE}: resize to {nearest}"
        )
