"""What is simulated: synthetic markets, their statistics, and the environment agents train in.

Imports `models` only.
"""
