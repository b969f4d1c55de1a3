#!/usr/bin/env bash
# Builds Kubernetes and what it needs beside it from Go modules, into
# <cache>/bin/kubernetes-<version>, and prints that directory.
# Arguments: the commands wanted; none means all that a node image needs.
. "$(dirname "$0")/../../tools/lib.sh"

readonly kubernetes_commands='kubectl kubeadm kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy'
bin=$CACHE/bin/kubernetes-$KUBERNETES_VERSION
kubernetes_module=$CACHE/src/kubernetes-$KUBERNETES_VERSION
etcd_module=$CACHE/src/etcd-$ETCD_VERSION

# k8s.io/kubernetes is no module to depend on: it replaces its libraries by
# folders of its own repository. So this is its go.mod under another name, with
# each such library at the version it was published under (v0.34.4 of v1.34.4),
# and the versions of everything else as Kubernetes itself was released with.
kubernetes_go_mod() {
  local dir=$1 library=${KUBERNETES_VERSION/v1./v0.} source
  mkdir -p "$dir"
  source=$(module_dir "k8s.io/kubernetes@$KUBERNETES_VERSION")
  sed -E \
    -e 's|^module .*|module airgap/kubernetes|' \
    -e "s|=> \./staging/src/(k8s\.io/[a-z-]+)|=> \1 $library|" \
    -e "s,^(\s+k8s\.io/[a-z-]+) v0\.0\.0( |$),\1 $library\2," \
    "$source/go.mod" >"$dir/go.mod"
  install --mode=644 "$source/go.sum" "$dir/go.sum"
  go -C "$dir" mod edit -require="k8s.io/kubernetes@$KUBERNETES_VERSION"
}

# etcd's go.mod has replace directives too, so go install refuses it.
etcd_go_mod() {
  mkdir -p "$1"
  printf 'module airgap/etcd\n' >"$1/go.mod"
  go -C "$1" mod edit -require="go.etcd.io/etcd/server/v3@$ETCD_VERSION"
}

# build DIRECTORY PACKAGE FILE. -mod=mod: go adds the missing checksums itself,
# without fetching the dependencies of every test as "go mod tidy" would.
build() {
  CGO_ENABLED=0 nice go -C "$1" build -mod=mod -trimpath -ldflags "$(ldflags)" -o "$3" "$2"
}

# kubeadm, the API server and kind read the version that is linked in.
ldflags() {
  local package minor=${KUBERNETES_VERSION#v1.}
  printf -- '-s -w'
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s' \
      "$package" "$KUBERNETES_VERSION" "$package" "$package" "${minor%%.*}"
  done
}

build_one() {
  local file=$bin/$1
  case $1 in
  etcd)
    once "$etcd_module" "etcd $ETCD_VERSION: module" etcd_go_mod
    once "$file" "etcd $ETCD_VERSION" build "$etcd_module" go.etcd.io/etcd/server/v3
    ;;
  coredns)
    once "$file" "CoreDNS $COREDNS_VERSION" go_install "github.com/coredns/coredns@$COREDNS_VERSION"
    ;;
  *)
    once "$kubernetes_module" "Kubernetes $KUBERNETES_VERSION: module" kubernetes_go_mod
    once "$file" "Kubernetes $KUBERNETES_VERSION: $1" build "$kubernetes_module" "k8s.io/kubernetes/cmd/$1"
    ;;
  esac
}

main() {
  local wanted command
  read -ra wanted <<<"${*:-$kubernetes_commands etcd coredns}"
  for command in "${wanted[@]}"; do
    if [ ! -e "$bin/$command" ]; then
      need_go
      build_one "$command"
    fi
  done
  printf '%s\n' "$bin"
}

main "$@"
