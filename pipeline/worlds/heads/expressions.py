"""The distribution of expressions.

Facial actions co-occur as in faces (Ekman and Friesen's action units): a smile lifts the cheeks and
narrows the eyes, a frown lowers the brows, lids follow the gaze, both eyes blink.
"""

from .factors import Expression
from .rows import Row, row_of

KINDS = {"calm": 0.30, "smile": 0.27, "laugh": 0.13, "talk": 0.15, "surprise": 0.04, "sad": 0.05,
         "angry": 0.03, "kiss": 0.03}  # fmt: skip
LOOKS_AT_CAMERA = 0.78
"""Who would, if cameras were drawn as in `_gaze`, and eyes turned far enough."""
BLINKS = 0.035
LIDS = 0.42
"""Radians of gaze at which an eyeLook action is complete."""
FARTHEST = 0.45
"""Radians: eyes turn no farther."""

Actions = dict[str, float]


def draw_expression(seed: int, camera_seed: int | None = None) -> Expression:
    """The expression of an expression seed.

    Args:
        seed: of the expression.
        camera_seed: the identity's seed, of which its camera is drawn: most look about there
            (docs/worlds.md says how nearly).
    """
    draws = row_of(seed, "head expression")
    kind = list(KINDS)[draws.choice("kind", list(KINDS.values()))]
    actions = _of_kind(kind, draws.uniform("strength"), draws)
    tilt = draws.normal("asymmetry", 0.0, 0.08)
    actions = with_tilt(actions, tilt)
    blink = draws.uniform("lids", 0.6, 1.0) if draws.happens("blink", BLINKS) else 0.0
    yaw, pitch = _gaze(draws, seed if camera_seed is None else camera_seed)
    neck = (
        draws.normal("neck yaw", 0.0, 0.16),
        draws.normal("neck pitch", 0.0, 0.08),
        draws.normal("neck roll", 0.0, 0.07),
    )
    return assembled(actions, blink, (yaw, pitch), neck)


def assembled(
    actions: Actions,
    blink: float,
    gaze: tuple[float, float],
    neck: tuple[float, float, float],
) -> Expression:
    """Adds the lids that go with gaze and blink; clamps all to [0, 1]."""
    yaw, pitch = (max(-FARTHEST, min(FARTHEST, angle)) for angle in gaze)
    both: Actions = {
        "eyeLookUp": max(pitch, 0) / LIDS * (1 - blink),
        "eyeLookDown": max(-pitch, 0) / LIDS * (1 - blink),
        "eyeBlink": blink,
    }
    found = dict(actions)
    for name, value in both.items():
        for side in ("Left", "Right"):
            found[name + side] = found.get(name + side, 0.0) + value
    across = abs(yaw) / LIDS * (1 - blink)
    for name in ("eyeLookOutLeft", "eyeLookInRight") if yaw > 0 else (
        "eyeLookInLeft", "eyeLookOutRight"
    ):  # fmt: skip
        found[name] = found.get(name, 0.0) + across
    narrowed = 1 - blink
    for side in ("Left", "Right"):
        found["eyeSquint" + side] = found.get("eyeSquint" + side, 0.0) * narrowed
        found["cheekSquint" + side] = found.get("cheekSquint" + side, 0.0)
        found["eyeWide" + side] = found.get("eyeWide" + side, 0.0) * narrowed
    found = {name: min(1.0, max(0.0, value)) for name, value in found.items() if value > 1e-4}
    inward = 0.011  # both eyes meet at some 2.7 m
    return Expression(found, ((yaw + inward, pitch), (yaw - inward, pitch)), neck)


def _of_kind(kind: str, strength: float, draws: Row) -> Actions:
    found: Actions = {
        "browInnerUp": max(0.0, draws.normal("brow inner", 0.05, 0.1)),
        **both_sides("browDown", max(0.0, draws.normal("brow down", 0.05, 0.12))),
        **both_sides("browOuterUp", max(0.0, draws.normal("brow outer", 0.03, 0.1))),
        **both_sides("eyeSquint", max(0.0, draws.normal("squint", 0.1, 0.15))),
        **both_sides("mouthPress", max(0.0, draws.normal("press", 0.0, 0.1))),
    }
    if kind == "calm":
        found |= smile(0.22 * strength * draws.uniform("calm smile"), 0.0)
    elif kind == "smile":
        shows_teeth = draws.happens("teeth", 0.6)
        found |= smile(0.5 + 0.45 * strength, draws.uniform("parted", 0.05, 0.15) * shows_teeth)
    elif kind == "laugh":
        found |= smile(0.65 + 0.35 * strength, draws.uniform("laughing", 0.05, 0.32))
    elif kind == "talk":
        found |= mouth_shape(draws.uniform("sound"), 0.3 + 0.7 * strength)
    elif kind == "surprise":
        found |= {
            "browInnerUp": 0.4 + 0.5 * strength,
            **both_sides("browOuterUp", 0.4 + 0.5 * strength),
            **both_sides("eyeWide", 0.3 + 0.5 * strength),
            "jawOpen": 0.08 + 0.25 * strength,
        }
    elif kind == "sad":
        found |= {"browInnerUp": 0.4 + 0.4 * strength, "mouthShrugLower": 0.3 * strength,
                  **both_sides("mouthFrown", 0.25 + 0.5 * strength)}  # fmt: skip
    elif kind == "angry":
        found |= {**both_sides("browDown", 0.5 + 0.5 * strength),
                  **both_sides("eyeSquint", 0.3), **both_sides("noseSneer", 0.4 * strength),
                  **both_sides("mouthPress", 0.4 * strength)}  # fmt: skip
    elif kind == "kiss":
        found |= {"mouthPucker": 0.4 + 0.5 * strength}
    return found


def smile(strength: float, opened: float) -> Actions:
    """A smile with its cheeks and eyes; `opened` is the jaw's action."""
    return {
        **both_sides("mouthSmile", strength),
        **both_sides("cheekSquint", 0.95 * strength**1.3),
        **both_sides("eyeSquint", 0.5 * strength**1.5),
        **both_sides("mouthDimple", 0.2 * strength),
        **both_sides("mouthUpperUp", 0.85 * strength * (opened > 0)),
        **both_sides("mouthLowerDown", 0.45 * strength * (opened > 0)),
        "jawOpen": opened,
    }


def mouth_shape(sound: float, strength: float) -> Actions:
    """A mouth that speaks: open (sound 0), wide, round, narrow, closed (1)."""
    place = 4 * sound
    share = [max(0.0, 1 - abs(place - k)) for k in range(5)]
    return {
        "jawOpen": strength
        * (0.30 * share[0] + 0.12 * share[1] + 0.18 * share[2] + 0.06 * share[3]),
        **both_sides("mouthStretch", 0.35 * strength * share[1]),
        **both_sides("mouthUpperUp", 0.22 * strength * (share[0] + share[1])),
        **both_sides("mouthLowerDown", 0.35 * strength * (share[0] + share[1])),
        "mouthFunnel": 0.55 * strength * share[2],
        "mouthPucker": strength * (0.3 * share[2] + 0.6 * share[3]),
        **both_sides("mouthPress", 0.4 * strength * share[4]),
        "mouthRollLower": 0.3 * strength * share[4],
    }


def both_sides(name: str, value: float) -> Actions:
    """The action on the left and on the right."""
    return {f"{name}Left": value, f"{name}Right": value}


def with_tilt(actions: Actions, tilt: float) -> Actions:
    """Stronger on the left by a share `tilt`, and weaker on the right."""
    return {name: value * _side(name, tilt) for name, value in actions.items()}


def _side(name: str, tilt: float) -> float:
    return 1 + tilt if name.endswith("Left") else 1 - tilt if name.endswith("Right") else 1.0


def _gaze(draws: Row, camera_seed: int) -> tuple[float, float]:
    if draws.happens("looks at camera", LOOKS_AT_CAMERA):
        # With the default deviations of `PoseDistribution`. Sets of other ones have their cameras
        # elsewhere; the images of this version depend on these.
        camera = row_of(camera_seed, "pose")
        return (
            camera.normal("yaw", 0.0, 0.5) + draws.normal("gaze x", 0.0, 0.02),
            camera.normal("pitch", 0.0, 0.18) + draws.normal("gaze y", 0.0, 0.02),
        )
    return draws.normal("away x", 0.0, 0.28), draws.normal("away y", -0.05, 0.16)
