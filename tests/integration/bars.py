"""Adjusted daily bars read straight from a LEAN data folder, independent of the engine."""

import zipfile
from datetime import datetime

import numpy as np
import pandas as pd


def bars_of(folder, symbol, days):
    """Adjusted O, H, L, C, V of the given days, shape (len(days), 5)."""
    name = symbol.lower()
    with zipfile.ZipFile(folder / f"equity/usa/daily/{name}.zip") as archive:
        frame = pd.read_csv(archive.open(f"{name}.csv"), header=None, index_col=0)
    frame.index = pd.to_datetime(frame.index, format="%Y%m%d %H:%M").date
    factors = pd.read_csv(folder / f"equity/usa/factor_files/{name}.csv", header=None)
    dates = [datetime.strptime(str(day), "%Y%m%d").date() for day in factors[0]]
    rows = []
    for day in days:
        factor = next(i for i, last in enumerate(dates) if day <= last)
        price, split = factors.iloc[factor, 1], factors.iloc[factor, 2]
        raw = frame.loc[day].to_numpy(float)
        rows.append([*(raw[:4] / 1e4 * price * split), raw[4] / split])
    return np.array(rows)
