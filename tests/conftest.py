"""What `make` sets, for tests that are started otherwise; before any library reads it.

Threads gain nothing on inputs so small, and two workers' threads wait for each other.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
