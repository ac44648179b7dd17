"""sparsity-report: from one TOML spec to an honest paper about pruning a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .api import Study, load_spec, read, run

if TYPE_CHECKING:
    from .engine.saving import load_sparse, save_sparse

__all__ = ["Study", "load_sparse", "load_spec", "read", "run", "save_sparse"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is asked for."""
    if name in ("load_sparse", "save_sparse"):
        from .engine import saving

        return getattr(saving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
