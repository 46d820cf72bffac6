"""What LEAN calls: settings, training, alpha, portfolio construction, risk, execution.

Imports `sim` and `models`.
"""
