"""Builds the parts of a teacher's training from a configuration."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from lightning import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from pipeline.evaluation.metrics.frechet import FEWEST_REAL, FrechetScores
from pipeline.pretraining.autoencoder import TeacherAutoencoder
from pipeline.pretraining.data_module import DrawnImages
from pipeline.pretraining.discriminator_view import discriminator_channels
from pipeline.pretraining.gan import GANSettings, TeacherGAN
from pipeline.pretraining.imitation import SurfaceImitation
from pipeline.pretraining.pace import Pace
from pipeline.pretraining.planner import ScheduleCost, ScheduleTimer
from pipeline.pretraining.progress import TeacherProgress
from pipeline.pretraining.schedule import GANSchedule
from pipeline.pretraining.stopping import StopWhenSeen
from pipeline.pretraining.surface import SurfaceGAN
from pipeline.pretraining.training_images import TrainingImages
from pipeline.pretraining.tuning import TuningRecord, checkpoint_of, settings_of_checkpoint
from pipeline.runs.kernel_choice import Trial
from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.state_keeper import StateKeeper
from pipeline.worlds.licences import training_data_of
from pipeline.worlds.opening import world_facts
from pipeline.worlds.splits import Split
from teachers.checkpoint import load_discriminator, teacher_folder
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.discriminator import Discriminator
from teachers.kinds import configuration_of, kind_of
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.wysiwyg.configuration import WysiwygConfiguration

from .configuration import instantiate, to_plain
from .trainer import build_profiler, build_trainer

log = logging.getLogger(__name__)

STRATEGY = "ddp_find_unused_parameters_true"
"""Lightning's, for several processes: a backward pass is of one of the two networks."""

TRIAL_IMAGES = 2

NEVER = 1 << 62
"""In steps: the training state is saved by the clock."""


def with_checkpoint(config: DictConfig) -> DictConfig:
    """The configuration with the networks and the licence of the teacher folder that it names
    (`teacher.of_checkpoint`).
    """
    given = to_plain(config.teacher)
    settings = settings_of_checkpoint(given.pop("of_checkpoint"), given)
    filled = OmegaConf.create(OmegaConf.to_container(config, resolve=False))
    with open_dict(filled):
        filled.update(settings)
    assert isinstance(filled, DictConfig)
    return filled


def teacher_configuration(config: DictConfig) -> EG3DConfiguration:
    """The configuration of the teacher that is trained.

    Raises:
        ValueError: it is none, or gives a number that its kind of teacher reads nowhere. (A stored
            teacher may hold any: its configuration names them all.)
    """
    given = to_plain(config.teacher)
    configuration = configuration_of(given)
    for name, meant in configuration.unread.items():
        if given.get(name, meant) != meant:
            raise ValueError(
                f"teacher.{name} is {given[name]}: no network of teacher.kind={configuration.kind}"
                f" reads it, and it counts as {meant}: leave it out"
            )
    return configuration


def load_photographs(config: DictConfig) -> TrainingImages:
    """The training images.

    Raises:
        ValueError: there are too few.
    """
    photographs: TrainingImages = instantiate(config.data)
    if len(photographs) < FEWEST_REAL:
        raise ValueError(
            f"{config.data.path} holds {len(photographs)} images, a teacher needs at least"
            f" {FEWEST_REAL}, and thousands to be good"
        )
    return photographs


def build_validation(config: DictConfig) -> TrainingImages:
    """`card.validation` identities of the world that no teacher was trained on, at the cameras of
    the data; rendered beside `data.path` if they aren't there.
    """
    path = Path(config.data.path)
    beside = path.with_name(f"{path.stem}_validation{path.suffix}")
    count = config.card.validation
    return instantiate(config.data, path=str(beside), count=count, first=0, split=Split.VALIDATE)


def begun_from(config: DictConfig) -> Passport | None:
    """Of the teacher whose weights or images the training begins with; None: from scratch."""
    folder = config.start_from or config.imitation.get("of")
    return None if folder is None else Passport.read(teacher_folder(folder) / "passport.json")


def licence_of(config: DictConfig) -> str:
    """Of the teacher: the configured one, and that of the teacher it begins with where the former
    doesn't contain it: weights that derive from others are under their licence too.
    """
    licence, passport = str(config.licence), begun_from(config)
    if passport is None or passport.licence in licence:
        return licence
    return f"{licence}; begun from {passport.name}: {passport.licence}"


def imitated_images(config: DictConfig, images: int) -> int:
    """Of so many images of a training, those for which it looked at the imitated teacher's only."""
    if not config.imitation:
        return 0
    first_real = config.imitation.adversarial_from
    return images if first_real is None else min(images, int(first_real))


def training_data(config: DictConfig) -> tuple[dict[str, str], ...]:
    """What the teacher learns from, for its passport: the world, or the name of the photographs'
    collection, whose licence nobody has stated; before them that of the teacher that it starts
    from.
    """
    if config.data._target_.endswith("rendered_images"):
        world = config.data.get("world", "puppets")
        own = training_data_of(world, world_facts(world)[0])
    else:
        own = ({"name": f"photographs {Path(str(config.data.path)).name}", "licence": "unknown"},)
    passport = begun_from(config)
    if passport is None:
        return own
    unrecorded = {"name": f"what {passport.name} was trained on", "licence": "not recorded"}
    before = passport.training_data or (unrecorded,)
    return (*before, *(entry for entry in own if entry not in before))


def pretraining_trial(config: DictConfig) -> Trial:
    """The work that decides which kernels a pretraining uses: images of a generator, and their
    gradients.
    """
    settings = teacher_configuration(config)
    generator = kind_of(settings).generator(settings).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    resolution = instantiate(config.schedule).render_resolution(config.schedule.total_images)
    generator.renderer.resolution = resolution
    camera = Camera.orbit(torch.zeros(TRIAL_IMAGES), torch.zeros(TRIAL_IMAGES))
    conditions = camera if settings.label_dim else None

    def run() -> None:
        ws = generator.map_latents(torch.zeros(len(camera), settings.z_dim), conditions)
        generator.renderer(generator.synthesize(ws), camera, ws).image.mean().backward()

    return Trial(run, {"teacher": to_plain(config.teacher), "render_resolution": resolution})


def build_data(config: DictConfig, photographs: TrainingImages) -> DrawnImages:
    """The batches that are trained on."""
    return DrawnImages(photographs, batch_size=config.settings.batch_size, seed=config.seed)


def build_module(config: DictConfig, photographs: TrainingImages) -> TeacherGAN:
    """The Lightning module: generator, discriminator and their training."""
    torch.manual_seed(config.seed)
    generator = teacher_configuration(config)
    if config.autoencoder is not None and (
        config.imitation or isinstance(generator, WysiwygConfiguration)
    ):
        raise ValueError(
            f"autoencoder begins an EG3D from images, teacher.kind is {generator.kind!r}: give"
            " autoencoder=null; a signed distance begins by imitation"
        )
    discriminator = _discriminator(config, generator)
    if discriminator.standardizes_label:
        discriminator.fit_labels(photographs.cameras.label())
    schedule: GANSchedule = instantiate(config.schedule)
    _check_growth(schedule, generator)
    settings = GANSettings(**to_plain(config.settings), seed=config.seed)
    kind: Callable[..., TeacherGAN]
    if config.imitation:
        kind, discriminator = _imitation(config, generator, discriminator)
    elif isinstance(generator, WysiwygConfiguration):
        kind = partial(SurfaceGAN, surface=instantiate(config.surface))
    elif config.autoencoder is not None:
        kind = partial(TeacherAutoencoder, **to_plain(config.autoencoder))
    else:
        kind = TeacherGAN
    return kind(
        config=generator,
        discriminator=discriminator,
        photographs=photographs,
        schedule=schedule,
        settings=settings,
    )


def require_networks(config: DictConfig) -> None:
    """Raises ValueError if a teacher, or its discriminator, of these numbers can't be built: before
    images are rendered.
    """
    with torch.device("meta"):
        _discriminator(config, teacher_configuration(config))


def _discriminator(config: DictConfig, generator: EG3DConfiguration) -> Discriminator:
    return Discriminator(
        resolution=generator.image_resolution,
        image_channels=discriminator_channels(generator),
        **to_plain(config.discriminator),
    )


def _check_growth(schedule: GANSchedule, generator: EG3DConfiguration) -> None:
    """Raises ValueError if the teacher can't cast rays at a resolution that comes only later, or
    has no pixels for them; warns where the training ends below the teacher's own resolution.
    """
    for images, side in schedule.growth:
        if side % generator.pixels_together:
            raise ValueError(
                f"schedule.growth casts {side}x{side} rays from {images} images on: this teacher's"
                f" sampler takes {generator.pixels_together}x{generator.pixels_together} pixels"
                f" together, give a multiple of {generator.pixels_together}"
            )
        if side > generator.render_resolution:
            raise ValueError(
                f"schedule.growth casts {side}x{side} rays from {images} images on, the teacher has"
                f" {generator.render_resolution}x{generator.render_resolution}: give that at most,"
                " or a larger teacher.render_resolution"
            )
    last = schedule.growth[-1][1]
    if last < generator.render_resolution:
        log.warning(
            "schedule.growth ends with %dx%d rays, the teacher has %dx%d: it will not have learnt"
            " them",
            *(last, last, generator.render_resolution, generator.render_resolution),
        )


def _imitation(
    config: DictConfig, generator: EG3DConfiguration, discriminator: Discriminator
) -> tuple[Callable[..., TeacherGAN], Discriminator]:
    """The training by `config.imitation`, and the imitated teacher's discriminator where that sees
    such images: what the result is trained against next.
    """
    if not isinstance(generator, WysiwygConfiguration):
        raise ValueError(
            f"imitation is for signed distances, teacher.kind is {generator.kind!r}: an EG3D goes"
            " on from another's weights by start_from"
        )
    settings = to_plain(config.imitation)
    path = settings.pop("of")
    imitated = checkpoint_of(path)
    try:
        known = load_discriminator(path)
    except FileNotFoundError:  # a folder from elsewhere may have none
        known = discriminator
    if known.arguments == discriminator.arguments:
        discriminator = known
    kind = partial(
        SurfaceImitation, imitated=imitated, surface=instantiate(config.surface), **settings
    )
    return kind, discriminator


def build_callbacks(
    config: DictConfig,
    run: RunFolder,
    photographs: TrainingImages,
    attempt: Attempt,
    record: TuningRecord | None = None,
) -> list[Callback]:
    """In the order in which they act on a step. The first times it, the last saves what the others
    have done.
    """
    progress = config.progress
    behind = 0.0 if config.teacher.get("background", "black") == "black" else 1.0

    def frechet() -> FrechetScores:
        return FrechetScores(photographs.first(progress.real, behind), compared=progress.scored)

    return [
        *build_profiler(config, run, lambda module: module.steps),
        Pace(),
        TeacherProgress(
            run.path,
            every_images=progress.every_images,
            drawing=to_plain(progress.drawing),
            frechet=frechet,
            scored=progress.scored,
            name=config.name,
            licence=licence_of(config),
            training_data=training_data(config),
            record=record,
        ),
        StopWhenSeen(),
        StateKeeper(
            run.last_checkpoint,
            every_steps=NEVER,
            every_minutes=progress.save_minutes,
            signals=attempt.signals,
        ),
    ]


def measure_schedule(
    config: DictConfig, module: TeacherGAN, data: DrawnImages
) -> list[ScheduleCost]:
    """Makes and times a few steps at every resolution, in a dry run."""
    timer = ScheduleTimer(module)
    trainer = build_trainer(config, [timer], loggers=[], strategy=STRATEGY)
    trainer.fit(module, datamodule=data)
    return timer.costs()
