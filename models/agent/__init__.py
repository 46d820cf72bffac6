"""The agent: what it sees of the market and its account, what it learned, and how it learns."""
