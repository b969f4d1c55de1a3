#!/usr/bin/env bash
# Prints the path of a command of Prometheus, which it builds from its Go module
# on the first call: the server, or with an argument another.
#
#   tools/prometheus.sh             prometheus: Debian's own has no Kubernetes service discovery
#   tools/prometheus.sh promtool    checks metrics and rules
. "$(dirname "$0")/lib.sh"

readonly command=${1:-prometheus}
readonly binary=$CACHE/bin/$command-v$PROMETHEUS_VERSION
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
    -ldflags "-s -w -X github.com/prometheus/common/version.Version=$PROMETHEUS_VERSION" -o "$1" "./cmd/$command"
  "$1" --version
}

if [ ! -e "$binary" ]; then
  need_go
  once "$module" "Prometheus $PROMETHEUS_VERSION: sources" copy
  once "$binary" "Prometheus $PROMETHEUS_VERSION: $command" build
fi
printf '%s\n' "$binary"
