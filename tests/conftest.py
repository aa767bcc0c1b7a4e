"""One thread a process: with two workers on two cores, threads would wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it when it is loaded
