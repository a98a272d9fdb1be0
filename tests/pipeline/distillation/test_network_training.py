"""A small network in training: steps whose gradients aren't finite."""

import torch
from lightning import Trainer
from torch import nn

from pipeline.distillation.network_training import NetworkSettings, NetworkTraining, NumberedBatches
from pipeline.runs.network_file import TrainedNetwork
from teachers.toy import ToyTeacher


class Training(NetworkTraining):
    """Its loss isn't finite in the first two steps."""

    def training_step(self, batch, batch_idx):
        loss = self.trained.network(torch.ones(1, 2)).sum()
        self.manual_backward(loss * (torch.nan if self.step < 2 else 1.0))
        self.update()


def test_steps_without_finite_gradients_count_and_change_nothing():
    network = nn.Linear(2, 1)
    before = network.weight.detach().clone()
    trained = TrainedNetwork(network, {}, ToyTeacher().passport)
    settings = NetworkSettings(network={}, learning_rate=0.1, total_steps=3)
    module = Training(trained, settings, gradient_clip=None)
    module.network = network
    weights = []
    data = NumberedBatches(lambda numbers, device: numbers, batch_size=1)
    trainer = Trainer(
        accelerator="cpu", max_steps=3, max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    module.on_train_batch_end = lambda *_: weights.append(network.weight.detach().clone())
    trainer.fit(module, datamodule=data)
    assert trainer.global_step == module.step == 3
    assert torch.equal(weights[1], before) and not torch.equal(weights[2], before)
