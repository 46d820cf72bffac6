"""What is learned: bars, features, forecasts, agents and the artifacts they are kept in.

Imports no sibling package.
"""
