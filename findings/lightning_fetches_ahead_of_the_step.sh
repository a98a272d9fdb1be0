#!/usr/bin/env bash
# Lightning fetches one batch ahead of training_step only if the loader has no length.
#
# One would guess: without worker processes, an iterable that draws its batches on the fly is asked
#   for batch n just before training_step n, so counters and random state that it changes while it
#   draws belong to step n, and a checkpoint saved after step n holds them.
# True: if the iterable has no __len__, batch n + 1 is drawn BEFORE training_step n runs (Lightning
#   wants to know whether n is the last batch). With a __len__, even an absurd one (2**40), batch
#   n is drawn when it is needed. The two orders differ by nothing but that method.
# Why it matters here: a loader that samples a teacher by sample number is asked for one batch too
#   many when the run stops, holds two batches in memory, and overlaps with callbacks that use the
#   teacher. Our loader therefore reports a length.
# Found with lightning 2.6.6, torch 2.13.0, 2026-11-28.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'lightning==2.6.6' 2>"$work/pip.log" \
  || { cat "$work/pip.log"; exit 2; }
cat > "$work/order.py" <<'PY'
import logging
import sys
import warnings

import lightning
import torch

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Drawn:
    """Draws batches on the fly and says when."""

    def __init__(self, events):
        self.events = events

    def __iter__(self):
        for number in range(4):
            self.events.append(f"draw {number}")
            yield torch.full((1,), float(number))


class DrawnWithLength(Drawn):
    def __len__(self):
        return 4


class Module(lightning.LightningModule):
    def __init__(self, events):
        super().__init__()
        self.events, self.layer = events, torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        self.events.append(f"step {batch_idx}")
        return self.layer(batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def order(kind):
    events = []
    trainer = lightning.Trainer(
        accelerator="cpu", max_steps=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(Module(events), kind(events))
    return events


without, having = order(Drawn), order(DrawnWithLength)
print("lightning", lightning.__version__, "torch", torch.__version__)
print("no length:", ", ".join(without))
print("length   :", ", ".join(having))
as_described = (
    without.index("draw 1") < without.index("step 0")
    and "draw 2" in without
    and having == ["draw 0", "step 0", "draw 1", "step 1"]
)
sys.exit(0 if as_described else "the order has changed")
PY
"$work/venv/bin/python" "$work/order.py"
# Output on 2026-11-28:
#   lightning 2.6.6 torch 2.13.0+cpu
#   no length: draw 0, draw 1, step 0, draw 2, step 1
#   length   : draw 0, step 0, draw 1, step 1
