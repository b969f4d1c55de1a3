#!/usr/bin/env bash
# Builds the watcher's image and the example's. REGISTRY=host/name tags and pushes them there, too.
. "$(dirname "$0")/lib.sh"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/sidecar/pyproject.toml")

# What an image is made from: podman takes 20 s to find out that nothing changed.
sources() {
  cd "$ROOT"
  "$ROOT/tools/cluster.sh" base
  find pyproject.toml uv.lock README.md LICENSE versions.env .dockerignore sidecar task examples \
    -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
}

build() {
  local name=$1:$version mark=$CACHE/images/$1 made_from
  made_from=$(sources | sha256sum)
  if [ "$(cat "$mark" 2>/dev/null)" != "$made_from $("$ROOT/tools/cluster.sh" id "$name")" ]; then
    "$ROOT/tools/cluster.sh" build "$name" --build-arg "UV_VERSION=$UV_VERSION" --file "$ROOT/$2" "$ROOT"
    mkdir -p "$CACHE/images"
    printf '%s\n' "$made_from $("$ROOT/tools/cluster.sh" id "$name")" >"$mark"
  fi
  if [ -n "${REGISTRY:-}" ]; then
    "$ROOT/tools/cluster.sh" push "$name" "$REGISTRY/$name"
  fi
}

build objectstore-watcher sidecar/Dockerfile
[ "${1:-}" = watcher ] || build objectstore-sensor-example examples/Dockerfile
