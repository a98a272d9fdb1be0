"""Stands in for a verb in tests of sweeps: records its seed, counts to `batch_size` in its run's
folder, continues where it was, scores, may fail.

Arguments are those of the verb; `STUB_SECONDS` is the time of a step. Seed 3 fails while the file
`broken` lies beside the sweep.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

settings = dict(argument.split("=", 1) for argument in sys.argv[1:])
run = Path(settings["paths.run"])
assert settings["hydra.mode"] == "RUN" and "=" not in str(run)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
seed, size, rate = (
    int(settings.get("seed", 0)),
    int(settings.get("batch_size", 4)),
    float(settings.get("validation_seed", 3)),
)
print(f"starting with {settings}", flush=True)
if seed == 3 and (run.parent / "broken").exists():
    sys.exit("Traceback of a bug\nRuntimeError: seed 3 is broken")
(run / "config.json").write_text(json.dumps({"seed": seed}))
counter = run / "steps"
for step in range(int(counter.read_text()) if counter.exists() else 0, size):
    time.sleep(float(os.environ.get("STUB_SECONDS", "0")))
    # Whole at any time: a kill between opening and writing would leave an empty file.
    counter.with_name("steps.new").write_text(str(step + 1))
    counter.with_name("steps.new").replace(counter)
    with (run / "steps.log").open("a") as file:
        file.write(f"{step}\n")
metrics = run / "metrics" / "version_0"
metrics.mkdir(parents=True, exist_ok=True)
(metrics / "metrics.csv").write_text(
    f"step,validation/psnr_novel\n{size},{10 + size + seed / 10 - (rate - 3) ** 2}\n"
)
