#!/usr/bin/env bash
# Prints the folder of the Prometheus operator's CRDs, which it takes from the
# operator's Go module on the first call: what a PodMonitor may be.
. "$(dirname "$0")/lib.sh"

crds=$CACHE/prometheus-operator-$OPERATOR_VERSION

copy() {
  local from
  from=$(module_dir "github.com/prometheus-operator/prometheus-operator@$OPERATOR_VERSION")
  mkdir "$1"
  cp --no-preserve=mode "$from"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml "$1"
}

if [ ! -e "$crds" ]; then
  need_go
  once "$crds" "CRDs of the Prometheus operator $OPERATOR_VERSION" copy
fi
printf '%s\n' "$crds"
