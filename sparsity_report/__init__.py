"""sparsity-report: from one TOML spec to an honest paper about pruning a language model."""

__version__ = "0.1.0"
