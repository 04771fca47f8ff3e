"""What is measured, against what: `python -m bench --help`, and docs/benchmarks.md."""
