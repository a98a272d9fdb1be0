"""Open a page on which photographs become heads that turn.

Drop, paste or take a photograph; see the square that was found and correct it; turn the head with
mouse, touch or arrow keys; compare students and methods; download picture, film, mesh and
triplane.

The page is on this machine only (host=127.0.0.1), and its address holds a token. Photographs are
held in memory until the program ends, the newest `photographs` of them.

checkpoint= is a student (as for lift). beside= lists further students and methods of inversion (w,
w_plus, pti, hybrid), which appear side by side: beside=[w,pti] takes minutes a photograph.

hooks=[cartoon] edits each crop before it is lifted, as for lift; provenance=c2pa signs what is
downloaded, label=true writes on it that it is synthetic.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.build.hooks import build_hooks
from pipeline.build.numerics import with_kernels
from pipeline.build.signing import build_signatory
from pipeline.inference.background import background_of
from pipeline.inference.device import device_named
from pipeline.inference.pretrained import bundled_default, student_file
from pipeline.inversion.models import Models
from pipeline.inversion.student import Student
from pipeline.lifter import Lifter
from pipeline.manifests.signatory import Signatory
from pipeline.portraits.front_door import PortraitSettings
from pipeline.runs.kernel_choice import renderer_trial
from pipeline.verbs.lift import FROM_STUDENT, VISIBLE_LABEL, models_of, say
from pipeline.viewer.photographs import Photographs
from pipeline.viewer.workbench import Contender, Workbench

if TYPE_CHECKING:
    from pipeline.viewer.state import Viewer

LONG = 60
"""Characters of a student's name from which on the page shows the end of its path."""


@verb("view")
def main(config: DictConfig) -> None:
    """Loads the student, prints the address, serves until Ctrl-C."""
    require_aiohttp()
    from aiohttp import web

    from pipeline.pages import is_loopback, printable, unservable
    from pipeline.viewer.server import application

    settings = to_plain(config)
    viewer = viewer_of(config)
    host, port = str(settings["host"]), int(settings["port"])
    if not is_loopback(host):
        say(
            f"host={host}: everybody who can reach this machine and learns the address can use the"
            " page and see the photographs on it; the connection isn't encrypted"
        )
    say(viewer.about)
    try:
        web.run_app(
            application(viewer),
            host=host,
            port=port,
            print=lambda _: say(
                f"open http://{printable(host)}:{port}/?token={viewer.token} (Ctrl-C ends)"
            ),
            access_log=None,
        )
    except OSError as error:
        viewer.workbench.close()
        raise unservable(host, port, error) from error


def require_aiohttp() -> None:
    """Raises ValueError where the server's library isn't installed."""
    try:
        import aiohttp  # noqa: F401
    except ModuleNotFoundError:
        raise ValueError("`trilift view` needs aiohttp: pip install 'trilift[viewer]'") from None


def viewer_of(config: DictConfig) -> "Viewer":
    """The page's data and computations, with its student loaded.

    Raises:
        ValueError: two contenders of one name, or settings out of range.
        FileNotFoundError: no such student.
    """
    from pipeline.pages import names_of
    from pipeline.viewer.state import Limits, Viewer

    settings = to_plain(config)
    first = str(settings["checkpoint"] or bundled_default())
    names = [first, *map(str, settings["beside"])]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"beside names {sorted(repeated)} twice: give each once")
    models = models_of(config)
    contenders = named_apart([contender_of(name, config, models) for name in names], names)
    method = contenders[0].method
    assert isinstance(method, Student)
    lifter = method.reconstructor.lifter
    with_kernels(config, lambda: renderer_trial(lifter.renderer, lifter.passport))
    door: PortraitSettings = instantiate(config.portraits)
    photographs = Photographs(
        door.framing,
        most=int(settings["photographs"]),
        background=background_of(method.passport),
        hooks=build_hooks(config),
    )
    signatory = signatories(config, {one.name: one for one in contenders})
    signatory(contenders[0].name)  # a missing certificate is an error before the page opens
    return Viewer(
        photographs,
        Workbench(contenders),
        Limits(**settings["limits"]),
        hosts=names_of(str(settings["host"]), settings["names"]),
        fov_deg=math.degrees(2 * math.atan(0.5 / method.passport.focal)),
        about=about(contenders[0], settings),
        signatory=signatory,
        label=VISIBLE_LABEL if settings["label"] else None,
    )


def about(contender: Contender, settings: dict[str, Any]) -> str:
    """The page's last line: whose head it is, its licence, what marks downloads."""
    marks = [
        text
        for key, text in (("provenance", "a signed manifest"), ("label", "a visible label"))
        if settings[key]
    ]
    marked = f" Downloads carry {' and '.join(marks)}." if marks else ""
    licence = contender.method.passport.licence
    return f"Student {contender.name}; licence: {licence.rstrip('.')}.{marked}"


def signatories(
    config: DictConfig, contenders: dict[str, Contender]
) -> Callable[[str], Signatory | None]:
    """Contender's name → what signs its downloads."""
    settings = {"provenance": config.provenance, "signing": to_plain(config.signing)}

    @functools.cache
    def signatory(name: str) -> Signatory | None:
        contender = contenders[name]
        method = contender.method
        return build_signatory(settings, method.passport, method.name, contender.student)

    return signatory


def contender_of(name: str, config: DictConfig, models: Models) -> Contender:
    """A method of inversion by its name, or a student.

    Args:
        name: of `beside`, or of the first student.
        config: of the verb.
        models: of the inversions; their student is the first one.

    Raises:
        FileNotFoundError: neither has this name.
    """
    if name in config.method:
        load = functools.partial(instantiate, config.method[name], models=models, progress=False)
        student = (
            student_file(config.checkpoint or bundled_default()) if name in FROM_STUDENT else None
        )
        return Contender(name, load, is_slow=True, student=student)
    file = student_file(name)
    if name != (config.checkpoint or bundled_default()):
        models = Models(student=lambda: Lifter.load(file), device=device_named(config.device))
    return Contender(name, lambda: Student(models=models), student=file)


def named_apart(contenders: Sequence[Contender], names: Sequence[str]) -> list[Contender]:
    """The same with names for the page, each another: a path that is long by its end, and what
    would still be named as one before it with a number.

    Args:
        contenders: in order.
        names: of the configuration, as many.
    """
    files = [one.student for one in contenders]
    shown: list[str] = []
    for name, file in zip(names, files, strict=True):
        if len(name) >= LONG and file is not None:
            name = end_of(file, [one for one in files if one is not None and one != file])
        name = name.replace("/", " ")
        numbered = (f"{name} ({number})" for number in itertools.count(2))
        shown.append(name if name not in shown else next(n for n in numbered if n not in shown))
    return [replace(one, name=name) for one, name in zip(contenders, shown, strict=True)]


def end_of(file: Path, others: Sequence[Path]) -> str:
    """The last parts of a path, at least two, by which it differs from all others."""
    ends = (file.parts[-length:] for length in range(2, len(file.parts)))
    known = (end for end in ends if all(one.parts[-len(end) :] != end for one in others))
    return Path(*next(known, file.parts)).as_posix()


if __name__ == "__main__":
    main()
