"""Programs of the tools that the benchmark compares with: each runs on a Python of its own, from ``tools/peers.sh``."""
