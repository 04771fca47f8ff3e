"""What is measured, against what. `python -m bench --help` says how; docs/benchmarks.md what came out."""
