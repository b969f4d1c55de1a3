"""The demos: what `make demo` and `make demo-kind` run."""
