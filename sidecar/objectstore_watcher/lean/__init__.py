"""The lean main: the primary container of a sensor's pod without flytekit, on the watcher's own image.

It reads ``inputs.pb``, asks the watcher beside it, waits as flytekit's main does, and writes ``outputs.pb`` or
``error.pb``.
"""
