"""Joins teachers and students: samples, trains, measures and serves. Verbs are in verbs/."""

import os

# Threads of OpenMP wait for each other in a loop before they sleep: libgomp's default is about 3
# ms, in which another program on the core gets nothing done and neither does the thread that is
# waited for: a step beside one busy loop per core then takes 19 times as long. After 0.1 ms it
# takes 2.5 times as long, and alone no longer than before (docs/notebook.md, "Waiting threads").
# libgomp reads the variable when torch is loaded, and this module is imported before any of ours
# that imports torch; child processes inherit it. The user's own choice stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
