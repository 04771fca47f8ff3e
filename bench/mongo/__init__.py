"""callstore on MongoDB beside the document's sample queries on the driver and on three ODMs."""

from bench.mongo.run import run

__all__ = ["run"]
