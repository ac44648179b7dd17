"""`python -m sparsity_report`."""

from .cli import main

main()
