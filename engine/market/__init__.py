"""What is known of a market.

Who is traded (`symbols`), when (`market_hours`), and the data points of prices and corporate events
(`data`).
"""
