"""Scripts that measure; each prints its conditions with its figures."""
