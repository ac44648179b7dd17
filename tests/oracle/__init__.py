"""Pruning methods once more: float64, NumPy, loops, from the papers; shares no code with the package."""
