"""Joins teachers and students: samples, trains, measures and serves. Verbs are in verbs/."""

import os

# Threads of OpenMP sleep while they wait for each other. By default libgomp lets them spin for
# about 3 ms first, and beside another program a step then takes many times as long (the table of
# tests/benchmarks/bench_waiting.py). libgomp reads the variable when torch is loaded, and this
# module is imported before any of ours that imports torch; child processes inherit it. The user's
# own choice stays.
if "GOMP_SPINCOUNT" not in os.environ:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
