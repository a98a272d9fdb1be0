"""How far an evaluation on photographs is from LP3D's Table 2 (supplement A3): part by part."""

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation.tables import table

PICTURES = 500
SIDE = 512

PAPER = "LP3D, Table 2"

PUBLISHED = "LP3D, 500 pictures of FFHQ, whole image: LPIPS .2692, DISTS .0904, SSIM .6598 (light"
PUBLISHED += " .2750, .1021, .6655); EG3D-PTI .3236, .1277, .6722"

METRICS = {
    "lpips": ("LPIPS", "network and version not stated"),
    "dists": ("DISTS", "published weights"),
    "ssim": ("SSIM", "settings not stated"),
    "identity": ("identity", "MagFace, input against a view from a random camera"),
    "identity_distance": ("identity", "MagFace, input against a view from a random camera"),
    "pose": ("pose", "Deng et al. 2019, distance not spelled out"),
}
"""Name of a score → the paper's quantity, and what it says about it."""


def protocol_table(
    facts: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A table of parts: the paper's, here, and whether they agree.

    Args:
        facts: of the suite: `items`, `cropped`, `faces`, `cameras` (counts), `drawn`, `detector`,
            `alignment`, `side`.
        metrics: `metrics` of the results, with their weights.
    """
    count, faces = facts["items"], facts["faces"]
    aligned = {
        "landmarks": f"Procrustes on landmarks of {facts['detector']}, rigid; else by images",
        "pictures": "rigid motion with the least difference of the images",
        "none": "none",
    }[facts["alignment"]]
    rows: list[tuple[str, str, str, str]] = [
        (
            "pictures",
            f"{PICTURES}, random, FFHQ",
            f"{count}, {facts['drawn']}",
            "differs" if count != PICTURES else "same number",
        ),
        (
            "denominator",
            "not stated",
            f"{count} items, {facts['cropped']} with an image, {faces} with a face,"
            f" {facts['cameras']} with a camera",
            "not stated",
        ),
        ("crop", "not stated", f"EG3D's, by {facts['detector']}", "not stated"),
        ("input camera", "Deng et al. 2019", f"{facts['detector']}, fitted", "differs"),
        ("alignment", "Procrustes on landmarks of FAN, rigid", aligned, "differs"),
        (
            "outside the warp",
            "black",
            "not warped" if facts["alignment"] == "none" else "black",
            "differs" if facts["alignment"] == "none" else "same",
        ),
        ("masks", "none in the rows of LP3D and EG3D-PTI", "none", "same"),
        (
            "image",
            f"{SIDE}²",
            f"{facts['side']}²",
            "same" if facts["side"] == SIDE else "differs",
        ),
    ]
    for name, (title, paper) in METRICS.items():
        if name in metrics:
            about = metrics[name]
            weights = about.get("weights")
            here = about["title"] + (f", {weights['file']}" if weights else "")
            agreement = "differs" if name in ("identity", "identity_distance", "pose") else "open"
            agreement = "same" if name == "dists" else agreement
            rows.append((title, paper, here, agreement))
    for name in ("lpips", "dists"):
        if name not in metrics:
            rows.append((METRICS[name][0], METRICS[name][1], "unavailable", "differs"))
    differing = sum(row[3] == "differs" for row in rows)
    notes = [f"{differing} of {len(rows)} parts differ from the paper's protocol.", PUBLISHED]
    return table(f"distance from {PAPER}", ("part", "paper", "here", "agreement"), rows, notes)
