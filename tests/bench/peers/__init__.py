"""Programs of the tools that the benchmark compares with: each runs on a Python of its own, from ``tools/peers.sh``.

Each waits for one URI of its standard input after the other, and says ``noticed`` when the tool has found its object.
"""
