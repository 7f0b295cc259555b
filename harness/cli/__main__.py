"""`python -m harness.cli` is `race`."""

from harness.cli import main

main()
