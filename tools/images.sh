#!/usr/bin/env bash
# Builds the watcher's image and the example's. REGISTRY=host/name tags and pushes them there, too.
# Arguments: watcher, the first of them alone; flyte, the one of Flyte's engine (k8s/flyte).
. "$(dirname "$0")/lib.sh"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/sidecar/pyproject.toml")

# What an image is made from: podman takes 20 s to find out that nothing changed.
sources() {
  cd "$ROOT"
  "$ROOT/tools/cluster.sh" base
  find pyproject.toml uv.lock README.md LICENSE versions.env .dockerignore sidecar task examples \
    -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
}

flyte_sources() {
  printf '%s\n' "$FLYTE_VERSION"
  cat "$ROOT/tools/flyte.sh" "$ROOT/k8s/flyte/Dockerfile"
}

# build NAME SOURCES ARGUMENTS...: unless it was built from what SOURCES prints.
build() {
  local name=$1 mark=$CACHE/images/${1%%:*} made_from
  made_from=$("$2" | sha256sum)
  shift 2
  if [ "$(cat "$mark" 2>/dev/null)" != "$made_from $("$ROOT/tools/cluster.sh" id "$name")" ]; then
    "$ROOT/tools/cluster.sh" build "$name" "$@"
    mkdir -p "$CACHE/images"
    printf '%s\n' "$made_from $("$ROOT/tools/cluster.sh" id "$name")" >"$mark"
  fi
}

build_own() {
  local name=$1:$version
  build "$name" sources --build-arg "UV_VERSION=$UV_VERSION" "${@:3}" --file "$ROOT/$2" "$ROOT"
  if [ -n "${REGISTRY:-}" ]; then
    "$ROOT/tools/cluster.sh" push "$name" "$REGISTRY/$name"
  fi
}

case ${1:-} in
flyte)
  bin=$("$ROOT/tools/flyte.sh")
  build "flytepropeller:$FLYTE_VERSION" flyte_sources --file "$ROOT/k8s/flyte/Dockerfile" "$bin"
  ;;
*)
  build_own objectstore-watcher sidecar/Dockerfile
  [ "${1:-}" = watcher ] || build_own objectstore-sensor-example examples/Dockerfile
  ;;
esac
