"""`trilift VERB …`: lists the verbs, answers questions about one, runs a sweep of its runs, or
replaces itself by `python -m pipeline.verbs.VERB …`.

The replacement lets torchrun and Lightning's child processes start the same verb again. Help,
configurations and sweeps need Hydra, but neither the verb's module nor torch: help appears at once,
and a sweep waits for its cells in little memory.
"""

import ast
import difflib
import itertools
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

VERBS = (
    "convert",
    "check",
    "prepare",
    "manifest",
    "cameras",
    "pretrain",
    "generate",
    "distill",
    "lift",
    "export",
    "view",
    "stream",
    "evaluate",
    "provenance",
    "licenses",
    "weights",
    "demo",
)

KEY = re.compile(r"-|[+~]*[\w./@]+=")
"""How flags and settings begin."""

ONLY_TABLE = "hydra.sweeper.only_table=true"

QUESTIONS = {
    *("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i"),
    *("--shell-completion", "-sc"),
}
"""Hydra's flags that show something instead of running the verb."""

TRAININGS = ("pretrain", "distill")
"""Verbs whose sweeps run each cell in a process of its own (conf/hydra/continuing.yaml)."""

SWEEPS = {"-m", "--multirun", "sweep", "+sweep"}
"""Flags and keys that make several runs of one command."""

POSITIONAL = {"provenance": ("action", "file"), "licenses": ("file",)}
"""Verbs whose first words may stand without their keys: `trilift provenance show FILE`."""


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if hasattr(signal, "SIGPIPE") and (not arguments or QUESTIONS & _keys(arguments)):
        # A reader such as `head` may stop: that ends us without a traceback, as other programs.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Runs the command; returns the exit status, unless a verb or Hydra ends the process."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(listing())
        return 0
    name, *rest = arguments
    if name not in VERBS:
        nearest = difflib.get_close_matches(name, VERBS, n=1, cutoff=0.5)
        return _refuse(
            f"there is no verb {name!r}"
            + (f"; did you mean {nearest[0]!r}?" if nearest else "; `trilift --help` lists them")
        )
    if name == "weights":
        rest = named_weights(rest)
    if name in POSITIONAL:
        rest = named_words(rest, POSITIONAL[name])
    if name == "export":
        rest = listed_formats(rest)
    rest = settings(rest)
    if QUESTIONS & _keys(rest) or _is_sweep(name, rest):
        from pipeline.build import application  # loads Hydra, which the list can do without

        sys.argv = [f"trilift {name}", *rest]
        if QUESTIONS & _keys(rest):
            application.answer(name, documentation(name))
        else:
            os.environ.update(environment())  # of the cells
            application.sweep(name)
        return 0
    os.execve(
        sys.executable,
        [sys.executable, "-m", f"pipeline.verbs.{name}", *rest],
        environment(),
    )


def settings(arguments: list[str]) -> list[str]:
    """The arguments as Hydra takes them: `--table` stands for a setting of the sweeper."""
    return [ONLY_TABLE if argument == "--table" else argument for argument in arguments]


def named_weights(arguments: list[str]) -> list[str]:
    """`trilift weights identity vgg16` for `trilift weights name=[identity,vgg16]`."""
    names = list(itertools.takewhile(str.isidentifier, arguments))
    return [f"name=[{','.join(names)}]", *arguments[len(names) :]] if names else arguments


def named_words(arguments: list[str], keys: Sequence[str]) -> list[str]:
    """Words without a key, in order, as settings; quoted, since a path may hold what Hydra reads.

    >>> named_words(["show", "my head.png", "format=json"], ("action", "file"))
    ['action="show"', 'file="my head.png"', 'format=json']
    """
    words = list(itertools.takewhile(lambda a: not KEY.match(a), arguments))[: len(keys)]
    quoted = [
        '{}="{}"'.format(key, word.replace('"', '\\"'))
        for key, word in zip(keys, words, strict=False)
    ]
    return [*quoted, *arguments[len(words) :]]


def listed_formats(arguments: list[str]) -> list[str]:
    """`format=glb,ply` as `format=[glb,ply]`: in Hydra, commas alone are a sweep."""
    return [
        f"format=[{argument.removeprefix('format=')}]"
        if argument.startswith("format=") and argument[7:8] not in "[\"'"
        else argument
        for argument in arguments
    ]


def listing() -> str:
    """The verbs with one line each."""
    lines = [f"  {name:12}{documentation(name).splitlines()[0]}" for name in VERBS]
    advice = (
        "`trilift VERB --help` shows the settings of a verb. A setting is given as `group=option`"
        " or `key=value`."
    )
    return "\n".join(
        [
            "usage: trilift VERB [setting=value …]",
            "",
            *lines,
            "",
            advice,
            "",
        ]
    )


def documentation(name: str) -> str:
    """The docstring of a verb's module, read without importing it."""
    module = PACKAGE / "verbs" / f"{name}.py"
    return ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""


def environment() -> dict[str, str]:
    """The environment in which `-m pipeline.verbs.VERB` imports this package, and not a folder
    `pipeline` in the working directory.

    Variables instead of the flag `-P`, so that child processes inherit them.
    """
    path = [str(PACKAGE.parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(path))}


def _keys(arguments: list[str]) -> set[str]:
    return {argument.partition("=")[0] for argument in arguments}


def _is_sweep(name: str, arguments: list[str]) -> bool:
    """Whether the command's only work is to start cells: Hydra's own sweepers call the verb."""
    ours = {"hydra/sweeper=cells", "hydra/sweeper=search"}
    others = [a for a in arguments if a.startswith("hydra/sweeper=") and a not in ours]
    return name in TRAININGS and bool(SWEEPS & _keys(arguments)) and not others


def _refuse(message: str) -> int:
    sys.stderr.write(f"trilift: {message}\n")
    return 2


if __name__ == "__main__":
    main()
