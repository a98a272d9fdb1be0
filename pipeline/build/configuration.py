"""From configuration to objects: the only caller of `hydra.utils.instantiate`."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from pipeline.runs.markers import marked_keys, without_markers
from pipeline.runs.trust import how_to_import, how_to_trust, trusted_packages
from teachers.plain_values import require_arguments

from .text_files import register_text_files
from .text_settings import with_text

BUILDABLE = (
    "teachers",
    "students",
    "pipeline.data",
    "pipeline.distillation",
    "pipeline.evaluation",
    "pipeline.inference.camera_paths",
    "pipeline.inference.film",
    "pipeline.inversion",
    "pipeline.losses",
    "pipeline.portraits",
    "pipeline.pretraining",
    "pipeline.runs.loggers",
    "pipeline.sampling",
    "pipeline.worlds",
    "torch.optim",
    "lightning.pytorch.loggers",
)
"""The packages and modules whose classes and functions a configuration may name as `_target_`,
besides packages that the user trusts (`pipeline.runs.trust`). A configuration may come from a run's
folder, so nothing here may start programs, import by name or extend the trust: `lightning` as a
whole holds `instantiate_class`, `pipeline.runs` holds `trust`.
"""

VERSION_BASE = "1.3"

ROOTS = {"cameras": "cameras_verb"}
"""Verbs whose root isn't `VERB.yaml`: beside a group of that name, `conf/cameras/`, it would look
like a part of the group.
"""

USER_ERRORS = (ValueError, OSError)
"""Errors that a user can put right: reported in one line, without a traceback. Whatever the system
says about a path (too long, no permission, a full disk) is one.
"""


def configuration_folder() -> Path:
    """conf/, beside pipeline/ in a clone, inside it in an installed wheel.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "conf", package.parent / "conf")
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"no configuration folder: neither {candidates[0]} nor {candidates[1]} exists; install"
        " trilift again"
    )


def root_of(verb: str) -> str:
    """The name of the verb's root file in `configuration_folder`, without its ending."""
    return ROOTS.get(verb, verb)


def compose(verb: str, *overrides: str) -> DictConfig:
    """The configuration of a verb without running it: `compose("distill", "experiment=laptop")`.

    Also inside a verb that runs: Hydra has one global state, which is put back.
    """
    register_text_files()
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(configuration_folder()), version_base=VERSION_BASE):
            return hydra.compose(root_of(verb), overrides=with_text(overrides))
    finally:
        GlobalHydra.instance().hydra = running


def to_plain(config: DictConfig) -> dict[str, Any]:
    """A configuration as plain dictionaries, lists and scalars, every interpolation resolved.

    Raises:
        omegaconf.errors.MissingMandatoryValue: a `???` has not been given.
    """
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in without_markers(plain).items()}


def free_keys(config: DictConfig, *markers: str) -> tuple[str, ...]:
    """The dotted keys that the markers of a configuration name, see `pipeline.runs.markers`."""
    return marked_keys(OmegaConf.to_container(config, resolve=False), *markers)


def reduced_precision(config: DictConfig) -> list[str]:
    """The dotted keys of a configuration that ask for bfloat16. A fuser or a proposal network is
    trained without the student's encoder, which trainer.bfloat16 is about.
    """
    has_encoder = all(config.get(name) is None for name in ("fuser", "proposals"))
    return [
        key
        for key in _true_keys(OmegaConf.to_container(config, resolve=False), "bfloat16")
        if has_encoder or key != "trainer.bfloat16"
    ]


def instantiate(config: DictConfig | dict[str, Any], **extra: Any) -> Any:
    """Builds what `_target_` names, inner nodes first, and hands `extra` to the outermost as it is
    (never copied).

    Constructors get plain lists and dictionaries, not configurations.

    Args:
        config: a node with `_target_`; with `_partial_: true` the result still waits for arguments.
        extra: arguments that a configuration can't hold, such as a module or parameters.

    Raises:
        ValueError: no `_target_`, a target outside `BUILDABLE` and the trusted packages, an unknown
            argument or one of another type than annotated, or an error that the constructor raised.
    """
    node = config if isinstance(config, DictConfig) else OmegaConf.create(config)
    if OmegaConf.select(node, "_target_") is None:
        raise ValueError(
            f"cannot build {OmegaConf.to_container(node)}: it has no _target_; name a class there"
        )
    plain = without_markers(OmegaConf.to_container(node, resolve=True, throw_on_missing=True))
    _refuse_interpolations(plain)
    require_buildable(plain, **extra)
    for inner in _targets(plain):
        require_arguments(_locate(inner["_target_"]), inner, inner["_target_"])
    try:
        build = hydra.utils.instantiate(plain, _partial_=True, _convert_="all")
        return functools.partial(build, **extra) if node.get("_partial_") else build(**extra)
    except InstantiationException as error:
        if isinstance(error.__cause__, USER_ERRORS):
            raise error.__cause__ from error
        raise


def require_buildable(plain: Any, **extra: Any) -> None:
    """Checks every `_target_` of a plain configuration without building it; `extra` goes to the
    outermost.

    Raises:
        ValueError: a target outside `BUILDABLE`, or an argument that it doesn't know.
    """
    for position, node in enumerate(_targets(plain)):
        _require_known_arguments(_locate(node["_target_"]), node, extra if position == 0 else {})


def _refuse_interpolations(plain: Any) -> None:
    """Raises ValueError for text that Hydra would still resolve, after the targets were checked."""
    if isinstance(plain, str) and "${" in plain:
        raise ValueError(f"refusing to build from {plain!r}: an escaped interpolation")
    if isinstance(plain, dict):
        plain = [*plain, *plain.values()]
    if isinstance(plain, list):
        for value in plain:
            _refuse_interpolations(value)


def _targets(plain: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plain, dict):
        if "_target_" in plain:
            yield plain
        plain = list(plain.values())
    if isinstance(plain, list):
        for value in plain:
            yield from _targets(value)


def _locate(target: Any) -> Callable[..., Any]:
    """The class or function of that name, if the package that defines it (not merely imports it) is
    trilift's, a buildable library, or trusted.
    """
    package = str(target).split(".")[0]
    allowed = f"configurations build only what is defined in {', '.join(BUILDABLE)}"
    if not _is_buildable(str(target)):
        is_foreign = package not in {name.split(".")[0] for name in BUILDABLE}
        advice = f"; {how_to_trust(package)}" if is_foreign else ""
        raise ValueError(f"refusing to build {target!r}: {allowed}{advice}")
    try:
        found: Callable[..., Any] = pkgutil.resolve_name(str(target))
    except (ImportError, AttributeError, ValueError) as error:
        advice = f"; {how_to_import(package)}" if package in trusted_packages() else ""
        reason = _import_error(str(target)) or error
        raise ValueError(f"cannot build {target!r}: {reason}{advice}") from error
    if not callable(found) or not _is_buildable(getattr(found, "__module__", None) or ""):
        raise ValueError(f"refusing to build {target!r}, which is {found!r}: {allowed}")
    return found


def _import_error(target: str) -> ImportError | None:
    """Why the module of a target can't be imported, which `pkgutil.resolve_name` doesn't say."""
    try:
        importlib.import_module(target.rpartition(".")[0])
    except ImportError as error:
        return error
    return None


def _is_buildable(address: str) -> bool:
    return any(
        address == package or address.startswith(f"{package}.")
        for package in (*BUILDABLE, *trusted_packages())
    )


def _require_known_arguments(
    target: Callable[..., Any], node: dict[str, Any], extra: dict[str, Any]
) -> None:
    parameters = inspect.signature(target).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    given = [
        key
        for key in node
        if key not in ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
    ]
    unknown = [key for key in (*given, *extra) if key not in parameters]
    if unknown:
        raise ValueError(
            f"{node['_target_']} does not take {', '.join(unknown)}; it takes"
            f" {', '.join(parameters) or 'nothing'}"
        )


def _true_keys(node: Any, name: str, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            where = f"{path}.{key}" if path else str(key)
            if key == name and value is True:
                yield where
            yield from _true_keys(value, name, where)
