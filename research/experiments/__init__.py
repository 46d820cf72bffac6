"""Scripts behind the results that are quoted; each prints what it ran."""
