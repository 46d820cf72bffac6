"""The market as it is given: bars, what is computed from them, and which rows are for what."""
