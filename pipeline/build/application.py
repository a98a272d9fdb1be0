"""The wrapper of every verb: a Hydra application whose user errors become one line."""

import errno
import functools
import inspect
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from pipeline.runs.renamed import current
from pipeline.runs.trust import trust
from pipeline.sweeps import sweeper

from .configuration import (
    USER_ERRORS,
    VERSION_BASE,
    configuration_folder,
    reduced_precision,
    root_of,
)
from .setting_kinds import require_kinds
from .text_files import register_text_files
from .text_settings import with_text


def verb(name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[..., Any]]:
    """Makes a function of a configuration the Hydra application `trilift NAME`.

    The configuration is the verb's root (`root_of`) with the overrides of the command line. Errors
    of the user (`USER_ERRORS`, missing or misspelt settings) become one line and exit status 2;
    `TRILIFT_DEBUG=1` shows where they came from. Called with a configuration, the function runs on
    that.

    An experiment or a sweep names the verb that it is for as `verb`; another verb refuses it. A
    precision that the device only emulates is refused, too.

    The setting `trust` (see `pipeline.runs.trust`) is applied and taken out of the configuration
    before the function sees it, so that no run records it.
    """

    def decorate(function: Callable[[DictConfig], Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def guarded(config: DictConfig) -> Any:
            try:
                _require_usable(name, config)
                return function(_with_trust(_in_its_own_folder(config)))
            except (*USER_ERRORS, InstantiationException, OmegaConfBaseException) as error:
                if os.environ.get("TRILIFT_DEBUG"):
                    raise
                sys.exit(_fail(name, _message(error)))

        @functools.wraps(function)
        def main(config: DictConfig | None = None) -> Any:
            if config is not None:
                _require_usable(name, config)
                return function(_with_trust(config))
            return _start(name, guarded, about=getattr(inspect.getmodule(function), "__doc__", ""))

        return main

    return decorate


def answer(name: str, about: str) -> None:
    """Answers a question about a verb from its configuration alone (`--help`, `--cfg job`,
    `--info`, …): neither the verb's module nor torch is imported.

    Args:
        name: of the verb; the question is in `sys.argv`.
        about: what the help starts with.
    """

    def unasked(config: DictConfig) -> None:
        raise AssertionError(f"{sys.argv[1:]} are no question about {name}")

    unasked.__module__ = f"pipeline.verbs.{name}"  # Hydra calls the application after it
    # For every group that it lists, Hydra copies the whole store of its own configurations, which
    # takes longer than all the rest. Nothing here changes the store.
    setattr(ConfigStore, "__deepcopy__", lambda store, memo: store)  # noqa: B010 (mypy)
    _start(name, unasked, about=about)


def sweep(name: str) -> None:
    """Runs the sweep that `sys.argv` asks for: its cells are processes of their own, so neither the
    verb's module nor torch is imported.
    """

    def uncalled(config: DictConfig) -> None:
        chosen = HydraConfig.get().runtime.choices["hydra/sweeper"]
        sys.exit(
            _fail(
                name,
                f"a file of settings chooses hydra/sweeper={chosen}, which runs {name} in its own"
                f" process: give hydra/sweeper={chosen} in the command as well",
            )
        )

    uncalled.__module__ = f"pipeline.verbs.{name}"  # Hydra calls the application after it
    _start(name, uncalled, about="")


def _start(name: str, task: Callable[[DictConfig], Any], *, about: str | None) -> Any:
    """Runs Hydra on the arguments of the command line."""
    arguments = sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files that are no UTF-8
    if {"--help", "-h"} & set(arguments):
        sys.stdout.write(f"{inspect.cleandoc(about or '')}\n\n")
    if advice := renamed_keys(arguments) or foreign_settings(name, arguments):
        sys.exit(_fail(name, advice))
    sys.argv[1:] = with_text(arguments)
    register_text_files()
    sweeper.register()
    application = hydra.main(
        version_base=VERSION_BASE,
        config_path=str(configuration_folder()),
        config_name=root_of(name),
    )(task)
    return application()


def _in_its_own_folder(config: DictConfig) -> DictConfig:
    """In Hydra's own multirun, each job's `paths.run` is its own numbered folder."""
    if (
        HydraConfig.get().mode == RunMode.MULTIRUN
        and OmegaConf.select(config, "paths.run") is not None
    ):
        config.paths.run = HydraConfig.get().runtime.output_dir
    return config


def renamed_keys(arguments: Sequence[str]) -> str:
    """What to type instead of the keys of earlier versions; "" where there are none.

    >>> renamed_keys(["seed=1", "callbacks.preview.people=6"])
    'callbacks.preview.people is now callbacks.preview.identities'
    """
    keys = [
        argument.partition("=")[0].lstrip("+~")
        for argument in arguments
        if "=" in argument and not argument.startswith("-")
    ]
    return ", ".join(f"{key} is now {now}" for key in keys if (now := _current_key(key)) != key)


def foreign_settings(name: str, arguments: Sequence[str]) -> str:
    """What to type instead of experiments and sweeps of other verbs; "" where there are none.

    It reads their files, because Hydra may be unable to compose them with this verb's root.
    """
    for argument in arguments:
        group, _, options = argument.partition("=")
        group = group.lstrip("+")
        if group not in ("experiment", "sweep"):
            continue
        for option in options.split(","):
            file = configuration_folder() / group / f"{option.strip()}.yaml"
            owner = OmegaConf.select(OmegaConf.load(file), "verb") if file.is_file() else None
            if owner not in (None, name):
                return (
                    f"{group}={option.strip()} is of `trilift {owner}`, not of `trilift {name}`:"
                    f" give it to trilift {owner}"
                )
    return ""


def _require_usable(name: str, config: DictConfig) -> None:
    _require_own(name, config)
    require_kinds(name, config)
    _require_precision(config)


def _require_own(name: str, config: DictConfig) -> None:
    owner = config.get("verb", name)
    if owner != name:
        raise ValueError(
            f"the settings say verb={owner}, as an experiment or a sweep of `trilift {owner}` does:"
            f" give them to trilift {owner}, not to trilift {name}"
        )


def _require_precision(config: DictConfig) -> None:
    if reduced_precision(config):
        from .numerics import require_precision  # loads torch, which an error can do without

        require_precision(config)


def _current_key(key: str) -> str:
    """A dotted key after `renamed.current`, which takes nested dictionaries."""
    nested: Any = None
    for part in reversed(key.split(".")):
        nested = {part: nested}
    nested, parts = current(nested), []
    while isinstance(nested, dict):
        ((part, nested),) = nested.items()
        parts.append(part)
    return ".".join(parts)


def _with_trust(config: DictConfig) -> DictConfig:
    """The configuration without `trust`, which is granted from here on."""
    packages = OmegaConf.select(config, "trust")
    if packages is None:
        return config
    trust([packages] if isinstance(packages, str) else list(packages))
    config = config.copy()
    with open_dict(config):
        del config["trust"]
    return config


def _message(error: Exception) -> str:
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key} is missing: give {error.full_key}=…"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        path = error.filename if error.filename2 is None else error.filename2
        advice = _ADVICE.get(error.errno or 0, "check the path and its permissions")
        return f"{os.fsdecode(path)}: {error.strerror[0].lower()}{error.strerror[1:]}: {advice}"
    if isinstance(error, OSError) and error.strerror and error.errno in _ADVICE:
        return f"{error.strerror[0].lower()}{error.strerror[1:]}: {_ADVICE[error.errno]}"
    return str(error)


_ADVICE = {
    errno.ENOENT: "check the path",
    errno.EACCES: "choose another place, or ask for the permission",
    errno.EPERM: "choose another place, or ask for the permission",
    errno.EROFS: "choose another place to write to",
    errno.ENOSPC: "free some space, or choose another place",
    errno.EDQUOT: "free some space, or choose another place",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EEXIST: "a part of the path is a file",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EISDIR: "give a file",
    errno.ELOOP: "its links point at each other",
}
"""What to do about an error of the system."""


def _fail(name: str, message: str) -> int:
    sys.stderr.write(f"trilift {name}: {message.strip()}\n")
    return 2
