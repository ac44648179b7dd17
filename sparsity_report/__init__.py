"""sparsity-report: from one TOML spec to an honest paper about pruning a language model."""

from .api import Study, load_spec, read, run

__all__ = ["Study", "load_spec", "read", "run"]

__version__ = "0.1.0"
