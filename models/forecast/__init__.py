"""The forecast of the next bar: its density, the network behind it, its corrections and scores."""
