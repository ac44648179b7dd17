"""Models that ship with the package: data, and the scripts that made them."""
