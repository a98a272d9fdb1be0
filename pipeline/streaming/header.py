"""What a receiver must know before the first picture: codec, grid, normalisation, renderer."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from pipeline.lifter import Lifter
from teachers.passport import Passport
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.triplane import Triplane

from .codecs import CODECS, PlaneDecoder
from .normalisation import Normalisation
from .packets import LARGEST_PAYLOAD, Kind, Packet
from .tiling import Grid

FORMAT = "trilift stream 1"


@dataclass(frozen=True)
class StreamHeader:
    """The first packet of a stream, again after every change.

    Attributes:
        codec: one of `CODECS`.
        grid: of the picture.
        normalisation: of its levels.
        passport: of the teacher whose planes these are.
        frames_per_second: of the source.
        scene: what a page needs to draw the planes by itself (`scene_of`); None: it can't.
        codec_string: for WebCodecs; "": not known yet.
    """

    codec: str
    grid: Grid
    normalisation: Normalisation
    passport: Passport
    frames_per_second: float
    scene: dict[str, Any] | None = None
    codec_string: str = ""

    def packet(self) -> Packet:
        """For the wire."""
        record = {
            "format": FORMAT,
            "codec": self.codec,
            "codec_string": self.codec_string,
            "tiles": self.grid.tiles,
            "side": self.grid.side,
            "columns": self.grid.columns,
            "rows": self.grid.rows,
            "frames_per_second": self.frames_per_second,
            "normalisation": self.normalisation.record(),
            "passport": json.loads(self.passport.to_json()),
            "passport_hash": passport_hash(self.passport),
            "scene": self.scene,
        }
        content = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
        return Packet(Kind.HEADER, content, normalisation=self.normalisation.version)

    @classmethod
    def of(cls, packet: Packet) -> "StreamHeader":
        """Reads a header.

        Raises:
            ValueError: it isn't understood.
        """
        if packet.kind != Kind.HEADER or len(packet.payload) > LARGEST_PAYLOAD[Kind.HEADER]:
            raise ValueError("a stream starts with its header, and none came")
        try:
            record = json.loads(packet.payload)
            if record["format"] != FORMAT:
                raise ValueError(f"format {record['format']!r}, this reads {FORMAT!r}")
            codec = record["codec"]
            if codec not in CODECS:
                raise ValueError(f"codec {codec!r}, this reads {', '.join(CODECS)}")
            grid = Grid(int(record["tiles"]), int(record["side"]))
            passport = Passport.from_dict(record["passport"])
            if passport_hash(passport) != record["passport_hash"]:
                raise ValueError("its passport isn't the one that its hash names")
            normalisation = Normalisation.of(record["normalisation"])
            rate = float(record["frames_per_second"])
            if not (math.isfinite(rate) and 0 < rate <= 1000):
                raise ValueError(f"{rate} frames a second")
            if len(normalisation) != grid.tiles or 3 * passport.stored_channels != grid.tiles:
                raise ValueError(f"{grid.tiles} tiles for {len(normalisation)} channels")
            if passport.plane_resolution != grid.side:
                raise ValueError(
                    f"tiles of {grid.side}² for planes of {passport.plane_resolution}²"
                )
            scene, string = record["scene"], str(record["codec_string"])[:64]
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as e:
            raise ValueError(f"the header of the stream isn't understood: {e}") from e
        return cls(codec, grid, normalisation, passport, rate, scene, string)

    def decoder(self) -> PlaneDecoder:
        """For its pictures."""
        return PlaneDecoder(self.grid, self.codec)

    def triplane(self, picture: Any) -> Triplane:
        """A decoded picture's planes, one identity."""
        planes = self.normalisation.planes(self.grid.levels(picture))
        return self.passport.triplane(planes[None])


def passport_hash(passport: Passport) -> str:
    """sha256 of the passport but for name, licence and training data, which change no image."""
    record = json.loads(passport.to_json())
    for name in ("name", "licence", "training_data"):
        record.pop(name, None)
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def scene_of(lifter: Lifter) -> dict[str, Any] | None:
    """The renderer as numbers: two layers of the decoder (of its colours red, green, blue), prior,
    ray sampling, background. None where a page couldn't repeat it: another decoder, stacks of
    planes. A super-resolution is left out: a page then shows the volume rendering.
    """
    renderer, passport = lifter.renderer, lifter.passport
    describe = getattr(getattr(renderer, "decoder", None), "two_layers", None)
    layers = describe() if isinstance(renderer, TriplaneRenderer) and describe else None
    if layers is None or passport.plane_depth != 1 or passport.aggregation != "mean":
        return None
    assert isinstance(renderer, TriplaneRenderer)
    sampling = renderer.sampling
    if sampling.in_disparity or sampling.first_pass not in ("proposal", "reused"):
        return None
    slope, low, high, solid_slope = layers.slopes
    ellipsoids = [] if layers.ellipsoids is None else layers.ellipsoids.tolist()
    return {
        "hidden_weight": layers.hidden_weight.detach().flatten().tolist(),
        "hidden_bias": layers.hidden_bias.detach().tolist(),
        "output_weight": layers.output_weight[:4].detach().flatten().tolist(),
        "output_bias": layers.output_bias[:4].detach().tolist(),
        "channels": passport.plane_channels,
        "hidden": len(layers.hidden_bias),
        "logit_gain": layers.logit_gain,
        "density_gain": layers.density_gain,
        "ellipsoids": ellipsoids,
        "solids": layers.solids,
        "slope": slope,
        "low": low,
        "high": high,
        "solid_slope": solid_slope,
        "axes": list(passport.plane_axes),
        "box_size": passport.box_size,
        "near": sampling.near,
        "far": sampling.far,
        "depth_samples": sampling.depth_samples,
        "importance_samples": sampling.importance_samples,
        "first_pass": sampling.first_pass,
        "background": renderer.background,
        "resolution": renderer.resolution,
        "focal": passport.focal,
        "radius": passport.camera_radius,
        "pivot": list(passport.camera_pivot),
    }
