"""Experiments, benchmarks and notebooks; imports everything, imported by nobody."""
