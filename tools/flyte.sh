#!/usr/bin/env bash
# Builds Flyte's engine from its Go modules, into <cache>/bin/flyte-<version>, and
# prints that directory: flytepropeller, which runs workflows, and kubectl-flyte,
# which compiles them. Flyte's control plane (flyteadmin, the registry with its
# database) is not among the modules that can be had, nor are those of some plugins.
. "$(dirname "$0")/lib.sh"

readonly flyte=github.com/flyteorg/flyte
readonly module=$CACHE/src/flyte-$FLYTE_VERSION
readonly bin=$CACHE/bin/flyte-$FLYTE_VERSION

# Flyte's modules replace each other by folders of their repository, so go install
# refuses them: this is the engine's go.mod under another name, with each of them
# at its own version. Its main package here registers the plugin for pods, of the
# task types container, sidecar and python-task; Flyte's registers those of Spark,
# Ray and the clouds, too.
flyte_module() {
  local source
  source=$(module_dir "$flyte/flytepropeller@$FLYTE_VERSION")
  mkdir -p "$1/flytepropeller"
  sed -E \
    -e 's|^module .*|module airgap/flyte|' \
    -e "s|=> \.\./(flyte[a-z]+)|=> $flyte/\1 $FLYTE_VERSION|" \
    "$source/go.mod" >"$1/go.mod"
  install --mode=644 "$source/go.sum" "$1/go.sum"
  go -C "$1" mod edit -require="$flyte/flytepropeller@$FLYTE_VERSION"
  cat >"$1/flytepropeller/main.go" <<GO
package main

import (
	_ "$flyte/flyteplugins/go/tasks/plugins/k8s/pod"
	"$flyte/flytepropeller/cmd/controller/cmd"
)

func main() { cmd.Execute() }
GO
}

# build PACKAGE FILE. -mod=mod: go adds the missing checksums itself.
build() {
  CGO_ENABLED=0 nice go -C "$module" build -mod=mod -trimpath \
    -ldflags "-s -w -X $flyte/flytestdlib/version.Version=$FLYTE_VERSION" -o "$2" "$1"
}

if [ ! -e "$bin/flytepropeller" ] || [ ! -e "$bin/kubectl-flyte" ]; then
  need_go
  once "$module" "Flyte $FLYTE_VERSION: module" flyte_module
  once "$bin/flytepropeller" "Flyte $FLYTE_VERSION: flytepropeller" build ./flytepropeller
  once "$bin/kubectl-flyte" "Flyte $FLYTE_VERSION: kubectl-flyte" build "$flyte/flytepropeller/cmd/kubectl-flyte"
fi
printf '%s\n' "$bin"
