"""Run a program under Qiling: ``PYTHON qiling_run.py PROGRAM``, with the Python that has it."""

from __future__ import annotations

import sys

from qiling import Qiling
from qiling.const import QL_VERBOSE

Qiling(sys.argv[1:], "/", verbose=QL_VERBOSE.DISABLED).run()
