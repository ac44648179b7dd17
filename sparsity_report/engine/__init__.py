"""Executes a plan: prunes, builds every format's variant, measures, and keeps what is finished."""
