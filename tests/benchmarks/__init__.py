"""Throughput and latency beside those of ``pg_recvlogical``; see docs/benchmarks.md."""
