"""Students by name: a file, a folder, a bundled one, or a repository on the Hugging Face Hub.

`student_file` finds one, `save_pretrained` writes a folder that the Hub takes
(`hf upload OWNER/NAME FOLDER`). Only safetensors are read, never pickles, and nothing is downloaded
unless the name is a repository's.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import students
from pipeline.lifter import Lifter
from pipeline.runs.files import write_json, write_text
from teachers.checkpoint import bundled_or_here
from teachers.passport import Passport

BUNDLED = Path(students.__file__).resolve().parent / "pretrained"
"""The students that travel with the package."""

WORLDS = ("heads", "puppets")
"""Of the bundled students: the first that has one gives the default."""

WEIGHTS, CONFIG, CARD, LICENCE = "model.safetensors", "config.json", "README.md", "LICENSE"
"""The files of a repository."""

IN_FOLDERS = (WEIGHTS, "student.safetensors")
"""How a student's file is called in a folder: that of `save_pretrained`, that of a distillation."""

REPOSITORY = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")
"""OWNER/NAME or OWNER/NAME@REVISION."""

FILE_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pkl", ".json")
"""A name that ends so is a file's, never a repository's."""

HUB_LICENCES = ("Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-NC-4.0")
"""Licences that the Hub knows by the same names in lower case."""


def student_file(
    name: Path | str,
    *,
    revision: str | None = None,
    cache_dir: Path | str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> Path:
    """The safetensors file of a student.

    Args:
        name: in this order, a file; a folder that `save_pretrained` or a distillation wrote;
            "bundled/NAME", a student that travels with trilift, or "bundled/WORLD", the largest of
            that world (`WORLDS`); "OWNER/NAME" or
            "OWNER/NAME@REVISION", a repository on the Hugging Face Hub, which is downloaded once
            into the Hub's cache.
        revision: branch, tag or commit of a repository; None: that of the name, or main.
        cache_dir: another cache than the Hub's (HF_HOME).
        token: for private repositories; None: the one that `hf auth login` stored.
        local_files_only: whether only the cache is looked at, as with HF_HUB_OFFLINE=1.

    Raises:
        FileNotFoundError: no such file, folder, bundled student or repository; or there is no
            connection and the cache doesn't hold the repository.
        ValueError: a folder or repository holds no safetensors file of a student.
    """
    path = bundled_or_here(name, BUNDLED)
    if path.is_file():
        return path
    if path.is_dir():
        return _file_in(path, name)
    if path.parent == BUNDLED:
        return _bundled(path, name)
    found = REPOSITORY.fullmatch(str(name))
    if not found or str(name).endswith(FILE_SUFFIXES) or Path(str(name).split("/")[0]).is_dir():
        raise FileNotFoundError(
            f"there is no student at {name}: `trilift distill` makes one; give a .safetensors file,"
            " a folder with one, bundled/NAME, or OWNER/NAME of a repository on the Hugging Face"
            " Hub"
        )
    folder = _downloaded(
        found[1],
        revision=revision or found[2],
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
    )
    return _file_in(folder, name)


def bundled_default() -> str:
    """The name of the student that is used where none is given: of heads if one is bundled, else of
    puppets.
    """
    world = next((world for world in WORLDS if _of_world(world)), WORLDS[-1])
    found = _of_world(world)
    return f"bundled/{found[-1].stem if found else world}"


def bundled_for(passport: Passport) -> Lifter:
    """The bundled student of a teacher, the largest if there are several; if there is none, the one
    that is used where none is given.
    """
    for world in WORLDS:
        for path in reversed(_of_world(world)):
            student = Lifter.load(path)
            if student.passport.source_hash == passport.source_hash:
                return student
    return Lifter.load(student_file(bundled_default()))


def _of_world(world: str) -> list[Path]:
    """Its bundled students' files, the largest last."""
    return sorted(BUNDLED.glob(f"{world}_*.safetensors"), key=lambda path: path.stat().st_size)


def save_pretrained(
    lifter: Lifter,
    folder: Path | str,
    *,
    title: str | None = None,
    description: str = "",
    licence: str | None = None,
    tags: Sequence[str] = (),
) -> Path:
    """Writes a student as a folder that the Hub takes: weights, configuration, model card, licence.

    A README.md and a LICENSE that are there already stay as they are; other files are not touched.
    Uploading is the Hub's own command: `hf upload OWNER/NAME FOLDER`.

    Args:
        lifter: the student.
        folder: where to; is made if it is missing.
        title: of the card; None: the folder's name.
        description: Markdown that the card begins with: what it was trained on, scores, limits.
        licence: the Hub's identifier, such as "apache-2.0"; None: by the teacher's licence,
            "other" where the Hub has no name for that.
        tags: of the card, besides trilift's own.

    Returns:
        the folder.

    Raises:
        ValueError: `folder` is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: give the folder to write a student to")
    content = lifter.description()
    write_json(folder / CONFIG, {"library_name": "trilift", **content})
    for name, text in (
        (LICENCE, f"{lifter.passport.licence}\n"),
        (CARD, model_card(lifter, title or folder.resolve().name, description, licence, tags)),
    ):
        if not (folder / name).exists():
            write_text(folder / name, text)
    lifter.save(folder / WEIGHTS)
    return folder


def model_card(
    lifter: Lifter, title: str, description: str, licence: str | None, tags: Sequence[str]
) -> str:
    """The model card: the Hub's metadata as YAML, then Markdown (see `save_pretrained`)."""
    from huggingface_hub import ModelCardData  # a third of a second, and only needed here

    passport = lifter.passport
    identifier, link = _hub_licence(passport.licence, licence)
    metadata = ModelCardData(
        license=identifier,
        license_name=link and "see-license-file",
        license_link=link,
        library_name="trilift",
        pipeline_tag="image-to-3d",
        tags=sorted({"trilift", "3d", "triplane", "novel-view-synthesis", *tags}),
    )
    parameters = sum(parameter.numel() for parameter in lifter.parameters()) / 1e6
    size = getattr(lifter.encoder, "image_size", "?")
    planes = f"3 × {passport.plane_channels} × {passport.plane_resolution}²"
    return CARD_TEMPLATE.format(
        metadata=metadata.to_yaml(),
        title=title,
        description=f"{description.strip()}\n\n" if description else "",
        size=size,
        planes=planes,
        image=passport.image_resolution,
        teacher=f"{passport.name} ({passport.kind})",
        encoder=lifter.recipes["encoder"].target,
        parameters=f"{parameters:.2f}",
        step=lifter.step,
        licence=passport.licence,
    )


CARD_TEMPLATE = """---
{metadata}
---

# {title}

{description}A student of trilift: one photograph in, a triplane out, rendered from any view.

```python
from pipeline.inference import Reconstructor

face = Reconstructor.from_pretrained("OWNER/NAME").lift("photo.jpg")
view = face.render(face.orbit(yaw_deg=20)).image  # [1 3 {image} {image}] in [-1, 1]
```

| | |
|---|---|
| input | one square RGB image, {size}² |
| triplane | {planes} |
| output | views of {image}², with depth and opacity |
| distilled from | {teacher} |
| encoder | `{encoder}` |
| parameters, renderer included | {parameters} M |
| optimiser updates | {step} |

Licence: {licence}
"""


def _hub_licence(sentence: str, given: str | None) -> tuple[str, str | None]:
    """The Hub's identifier of a licence, and where the text is if that is "other".

    A student that was started from another teacher's is under two licences, hence "other".
    """
    if given is not None:
        return given, None
    known = next((name for name in HUB_LICENCES if sentence.startswith(name)), None)
    return (known.lower(), None) if known and "Started from" not in sentence else ("other", LICENCE)


def _file_in(folder: Path, name: Path | str) -> Path:
    for candidate in IN_FOLDERS:
        if (folder / candidate).is_file():
            return folder / candidate
    raise ValueError(
        f"{name} holds no student: expected {' or '.join(IN_FOLDERS)} (weights in other formats"
        " aren't read)"
    )


def _bundled(path: Path, name: Path | str) -> Path:
    with_suffix = path.with_name(f"{path.name}.safetensors")
    if with_suffix.is_file():
        return with_suffix
    if path.name in WORLDS and (found := _of_world(path.name)):
        return found[-1]
    there = sorted(f"bundled/{file.stem}" for file in BUNDLED.glob("*.safetensors"))
    raise FileNotFoundError(
        f"no student {name} is bundled with this version (there is {', '.join(there) or 'none'});"
        " `make demo` or `trilift distill` makes one"
    )


def _downloaded(repository: str, **options: Any) -> Path:
    """The files of a repository, in the Hub's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    revision = options["revision"]
    wanted = repository if revision is None else f"{repository}@{revision}"
    try:
        folder = snapshot_download(
            repository,
            allow_patterns=[WEIGHTS, CONFIG, CARD, LICENCE],
            library_name="trilift",
            **options,
        )
    except LocalEntryNotFoundError as error:
        raise FileNotFoundError(
            f"there is neither a file nor a folder {wanted} here, and as a repository of the"
            " Hugging Face Hub it is not in the cache and can't be downloaded (no connection, or"
            " HF_HUB_OFFLINE is set): connect once, or give a local path"
        ) from error
    except HFValidationError as error:
        raise ValueError(f"{wanted} is no name of a repository: {error}") from error
    except HfHubHTTPError as error:
        reason = next(filter(None, map(str.strip, str(error).splitlines())), "no reason given")
        raise FileNotFoundError(
            f"there is neither a file nor a folder {wanted} here, and the Hugging Face Hub has no"
            f" such repository for you ({reason}): check the name and the revision, log in with `hf"
            " auth login` if it is private, or give a local path"
        ) from error
    return Path(folder)
