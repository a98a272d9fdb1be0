"""Speed of a training step of a teacher, by part, on images drawn at random.

`python tests/benchmarks/bench_pretrain.py`: the configuration of `trilift pretrain`, at both ray
resolutions of its schedule, one process with one thread, seconds of processor time.
"""

import dataclasses
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from lightning import Trainer

from pipeline.build.configuration import compose, instantiate
from pipeline.build.pretraining import build_module
from pipeline.pretraining.data_module import DrawnImages
from pipeline.pretraining.discriminator_view import DiscriminatorView
from pipeline.pretraining.gan import TeacherGAN
from pipeline.pretraining.training_images import TrainingImages
from teachers.rendering.camera import Camera

STEPS = 4

PARTS = {
    "_render_fakes": "identities and their images",
    "_discriminate": "discriminator, forward and back",
    "_generate": "generator, back",
    "_finish_step": "running average",
}
"""Methods of `TeacherGAN` by what they do; what is left over are the optimisers and the data."""


def noise_images(count: int, side: int) -> TrainingImages:
    """Images of nothing, with mattes: the speed does not depend on what is seen."""
    images = torch.randint(
        0,
        256,
        (count, 4, side, side),
        generator=torch.Generator().manual_seed(0),
        dtype=torch.uint8,
    )
    return TrainingImages(
        images, Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count))
    )


def timed(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    """The function, its time added to a part."""

    def measured(*arguments: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments)
        finally:
            spent[part] += time.process_time() - start

    return measured


def steps(module: TeacherGAN, count: int) -> float:
    """Seconds of `count` steps, Lightning's own included."""
    trainer = Trainer(
        accelerator="cpu", max_steps=2 * count, max_epochs=-1, logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    start = time.process_time()
    data = DrawnImages(module.photographs, batch_size=module.settings.batch_size, seed=0)
    trainer.fit(module, datamodule=data)
    return time.process_time() - start


def main() -> None:
    """Prints a table for each ray resolution."""
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    config = compose("pretrain", "trainer.devices=1")
    for _, side in instantiate(config.schedule).growth:
        module = build_module(config, noise_images(64, config.teacher.image_resolution))
        module.schedule = dataclasses.replace(module.schedule, growth=((0, side),))
        module.view = DiscriminatorView(module.config, module.schedule)
        steps(module, 1)
        spent: dict[str, float] = defaultdict(float)
        for name, part in PARTS.items():
            setattr(module, name, timed(getattr(module, name), spent, part))
        seconds = steps(module, STEPS)
        images = STEPS * module.settings.batch_size
        print(f"rays {side}²: {images / seconds:.2f} images/s")
        for part, used in [*spent.items(), ("the rest", seconds - sum(spent.values()))]:
            print(f"  {part:<32} {images / used:9.1f} images/s  {used / seconds:6.1%}")


if __name__ == "__main__":
    main()
