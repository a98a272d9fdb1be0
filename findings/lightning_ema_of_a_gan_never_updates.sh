#!/usr/bin/env bash
# Lightning's EMA with an even update_every_n_steps never updates in a GAN: its weights stay untrained.
#
# One would guess: EMAWeightAveraging(update_every_n_steps=2) averages after every second batch, with
#   one optimiser or with two (or, counting each optimiser's step, after every batch).
# True: the callback looks once a batch, at the number of optimiser steps less one. A generator's and
#   a discriminator's step make that number odd after every batch, so it is a multiple of no even
#   interval: there is not one update, nor a warning. Validation sees the average, which still holds
#   the weights of the start, and at the end of fit they replace the trained ones. With one optimiser,
#   or three, there is an update after every second batch.
# Why it matters here: 3D GANs are sampled and distilled from averaged generators. A pretraining in
#   Lightning steps two optimisers by hand; it would validate and return its first weights. Ours
#   averages generators itself, by the images that they have seen.
# Found with lightning 2.6.6, torch 2.13.0, 2026-11-29.
# Output on 2026-11-29 (16 batches; every step adds 1 to a weight that is 0 at first; the weights are
# the trained one, that in validation, and that after fit):
#   lightning 2.6.6 torch 2.13.0+cpu
#   optimizers 1, every 1: 16 updates; weights 16.0, 15.0, 15.0
#   optimizers 1, every 2: 8 updates; weights 16.0, 13.0, 13.0
#   optimizers 1, every 10: 2 updates; weights 16.0, 6.0, 6.0
#   optimizers 2, every 1: 16 updates; weights 16.0, 15.0, 15.0
#   optimizers 2, every 2: 0 updates; weights 16.0, 0.0, 0.0
#   optimizers 2, every 10: 0 updates; weights 16.0, 0.0, 0.0
#   optimizers 3, every 1: 16 updates; weights 16.0, 15.0, 15.0
#   optimizers 3, every 2: 8 updates; weights 16.0, 13.0, 13.0
#   optimizers 3, every 10: 1 updates; weights 16.0, 7.0, 7.0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'lightning==2.6.6' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/ema.py" <<'PY'
import logging
import sys
import warnings

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging

warnings.filterwarnings("ignore")
for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
    logging.getLogger(name).setLevel(logging.ERROR)
BATCHES = 16


class Players(lightning.LightningModule):
    """Networks of one weight, 0 at first; every step of an optimiser adds 1 to its own."""

    def __init__(self, count):
        super().__init__()
        self.automatic_optimization = False
        self.weights = torch.nn.ParameterList(torch.zeros(1) for _ in range(count))

    def configure_optimizers(self):
        return [torch.optim.SGD([weight], lr=1.0) for weight in self.weights]

    def training_step(self, batch, batch_idx):
        optimizers = self.optimizers()
        for optimizer, weight in zip(
            optimizers if isinstance(optimizers, list) else [optimizers], self.weights
        ):
            optimizer.zero_grad()
            self.manual_backward(-weight.sum())
            optimizer.step()

    def validation_step(self, batch, batch_idx):
        pass

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(BATCHES, 1))

    def val_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(1, 1))


class Seen(Callback):
    """Keeps the first network's weight: trained, and in validation."""

    def on_train_batch_end(self, trainer, module, *_):
        self.trained = module.weights[0].item()

    def on_validation_batch_start(self, trainer, module, *_):
        self.validated = module.weights[0].item()


class Counted(EMAWeightAveraging):
    updates = 0

    def should_update(self, step_idx=None, epoch_idx=None):
        found = super().should_update(step_idx, epoch_idx)
        self.updates += found
        return found


def trained(count, every):
    """Updates of the average; the first network's weight trained, in validation, and after fit."""
    averaging, seen, module = Counted(decay=0.5, update_every_n_steps=every), Seen(), Players(count)
    lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[seen, averaging],
        num_sanity_val_steps=0,
    ).fit(module)
    return averaging.updates, seen.trained, seen.validated, module.weights[0].item()


print("lightning", lightning.__version__, "torch", torch.__version__)
found = {}
for count in (1, 2, 3):
    for every in (1, 2, 10):
        updates, *weights = found[count, every] = trained(count, every)
        shown = ", ".join(f"{weight:.1f}" for weight in weights)
        print(f"optimizers {count}, every {every}: {updates} updates; weights {shown}")
as_described = (
    all(found[2, every] == (0, BATCHES, 0.0, 0.0) for every in (2, 10))
    and all(found[count, 2][0] == BATCHES // 2 for count in (1, 3))
    and all(found[count, 1][0] == BATCHES for count in (1, 2, 3))
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/ema.py" 2>/dev/null
