"""`python -m callstore`."""

from callstore.cli import main

main()
