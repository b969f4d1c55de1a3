#!/usr/bin/env bash
# Prints the path of a Prometheus server, which it builds from its Go module on
# the first call. Debian's own has no Kubernetes service discovery.
. "$(dirname "$0")/../../tools/lib.sh"

readonly binary=$CACHE/bin/prometheus-v$PROMETHEUS_VERSION
readonly module=$CACHE/src/prometheus-v$PROMETHEUS_VERSION
# Its Go module counts v3.5.1 as v0.305.1.
readonly path=github.com/prometheus/prometheus
module_version=v0.$(awk -F. '{ printf "%d%02d.%d", $1, $2, $3 }' <<<"$PROMETHEUS_VERSION")

# A copy of the module, with the list of service discoveries cut to the one that
# is used: those of all clouds would double the build.
copy() {
  cp --recursive --no-preserve=mode "$(module_dir "$path@$module_version")" "$1"
  printf 'package plugins\n\nimport _ "%s/discovery/kubernetes"\n' "$path" >"$1/plugins/plugins.go"
}

build() {
  CGO_ENABLED=0 nice go -C "$module" build -trimpath \
    -ldflags "-s -w -X github.com/prometheus/common/version.Version=$PROMETHEUS_VERSION" -o "$1" ./cmd/prometheus
  "$1" --version
}

if [ ! -e "$binary" ]; then
  need_go
  once "$module" "Prometheus $PROMETHEUS_VERSION: sources" copy
  once "$binary" "Prometheus $PROMETHEUS_VERSION" build
fi
printf '%s\n' "$binary"
