"""Algorithms that place the orders of LEAN's regression algorithms of the same name.

Written anew; each file holds one QCAlgorithm, as LEAN's runner wants it.
"""
