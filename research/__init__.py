"""Experiments, benchmarks and notebooks; imports everything, imported by nobody.

All of them are where a process begins, so libraries are made quiet here: Python imports a package
before its modules, therefore before anything of them can import TensorFlow, in whatever order their
imports stand, and in worker processes too.
"""

from research.conditions import quiet

quiet()
