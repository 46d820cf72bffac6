"""A small LEAN-compatible local host: runs `main.py` where LEAN itself is not installed.

Imports no sibling package; the algorithm is loaded by path.
"""
