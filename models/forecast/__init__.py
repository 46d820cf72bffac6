"""The forecast of the next bar: its density, the network behind it, calibration and scores."""
