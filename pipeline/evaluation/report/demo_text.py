"""The sentences of the demo page."""

from typing import Any

OUTSIDE = "outside this checkpoint's domain"

MEANINGS = (
    (
        "PSNR",
        (
            "How alike two pictures are, in decibels: +3 dB is half the squared error, +6 dB half"
            " the error. Over the whole picture, the plain background helps everybody."
        ),
    ),
    (
        "PSNR subject",
        "The same over the pixels that truly show the subject: the number to look at first.",
    ),
    ("SSIM", "Whether local structure agrees, at most 1. Blur costs little in PSNR and more here."),
    (
        "depth error",
        (
            "How far the surface is from where it truly is, along the ray, in world units: a head"
            " is about 0.4 high, so 0.01 would be about half a centimetre on a real one. Counted"
            " where both silhouettes are."
        ),
    ),
    (
        "shape error",
        (
            "The same after the best scale and shift of the depth: is the face a face, wherever it"
            " stands?"
        ),
    ),
    ("mask IoU", "Overlap of the silhouettes, at most 1."),
    (
        "untrained",
        (
            "The same network before its first step. It knows how the teacher's planes are"
            " distributed, not how they belong to a picture; what it draws may be nothing at all."
        ),
    ),
    (
        "never looks",
        (
            "The mean of the teacher's planes, and the teacher's mean subject: the same head for"
            " everybody. A student that doesn't beat them has learned nothing from looking."
        ),
    ),
    (
        "on its teacher's identities",
        (
            "The same student on identities that its teacher invented and that were held out: what"
            " it can do in its own world. They are other identities seen by other cameras, so"
            " compare with care; what lies between is mostly the gap between the two worlds."
        ),
    ),
)

CAVEATS = (
    (
        "The student has learned a small world: procedural puppets before a white background, at"
        " the resolution of its teacher. It is a working example of the whole path, not a face"
        " product."
    ),
    (
        "It was distilled for minutes. The published method takes days on many GPUs, and adds an"
        " adversarial stage that sharpens what one picture leaves open; without it, unseen sides"
        " come out as the mean of what they might be."
    ),
    (
        "It can only draw identities whom its teacher can draw: hats, glasses or hair that the"
        " teacher lacks are missing or smeared."
    ),
    (
        "The real photograph shows what happens outside that world: real skin, light and background"
        " mean nothing to this checkpoint. A student of a teacher that was trained on photographs"
        " is distilled with the same commands."
    ),
    "Scores of this page compare answers on this page. Times depend on what else the machine did.",
)


def introduction(report: dict[str, Any]) -> str:
    """What happened, in two sentences."""
    hardware = report["run"]["hardware"]
    machine = (
        f"{hardware['cores']} processor cores" if hardware["gpu"] is None else str(hardware["gpu"])
    )
    return (
        f"On {machine}, a frozen 3D GAN invented identities, and a small network learned to answer"
        " one picture of a subject with the three feature planes from which the GAN would have"
        " drawn them. From those planes the subject can be drawn from any side."
    )


def verdict(scores: dict[str, Any]) -> str:
    """The numbers in words, whatever they are."""
    values = {name: entry["new_views"]["psnr_foreground"]["mean"] for name, entry in scores.items()}
    before, after = values["untrained"], values["student"]
    trivial = max(values["mean_planes"], values["mean_latent"])
    gained = f"Distillation took the likeness of unseen views from {before:.1f} to {after:.1f} dB"
    if after <= before:
        return (
            f"Distillation did not help: {before:.1f} dB before, {after:.1f} dB after. Something is"
            " wrong, or it was far too short."
        )
    if after <= trivial:
        return (
            f"{gained}. That is not yet better than showing everybody the same mean head"
            f" ({trivial:.1f} dB): it needs more steps."
        )
    factor = 10 ** ((after - trivial) / 10)
    return (
        f"{gained}. Showing everybody the same mean head gets {trivial:.1f} dB: looking at the"
        f" picture has divided the squared error that remains there by {factor:.1f}. On identities"
        f" of its own teacher the student reaches {values['ceiling']:.1f} dB."
    )
