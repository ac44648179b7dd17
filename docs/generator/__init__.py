"""Pages of `docs/` from the spec's schema, the registries, the figures and the command line: one page, one file."""
