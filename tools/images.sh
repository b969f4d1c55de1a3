#!/usr/bin/env bash
# Builds the watcher's image and the example's. REGISTRY=host/name tags and pushes them there, too.
. "$(dirname "$0")/lib.sh"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/sidecar/pyproject.toml")

build() {
  "$ROOT/tools/cluster.sh" build "$1:$version" --build-arg "UV_VERSION=$UV_VERSION" --file "$ROOT/$2" "$ROOT"
  if [ -n "${REGISTRY:-}" ]; then
    "$ROOT/tools/cluster.sh" push "$1:$version" "$REGISTRY/$1:$version"
  fi
}

build objectstore-watcher sidecar/Dockerfile
[ "${1:-}" = watcher ] || build objectstore-sensor-example examples/Dockerfile
