#!/usr/bin/env bash
# Builds a node image for kind without a registry, and prints its name. It holds
# the control plane's images as kind's own does, and those that our manifests use:
# put in later, they would take longer than all the rest of a cluster's start.
. "$(dirname "$0")/../../tools/lib.sh"
. "$ROOT/k8s/airgap/engine.sh"
. "$ROOT/k8s/airgap/build-once.sh"

# Without a host, kind would take it for the default registry's, and pull.
readonly node=localhost/objectstore-sensor/node:$KUBERNETES_VERSION
readonly workloads=("$STOCK_PYTHON_IMAGE" "minio/minio:$MINIO_RELEASE" "prom/prometheus:v$PROMETHEUS_VERSION")

main() {
  local image ids=()
  use_engine
  bin=$("$ROOT/k8s/airgap/kubernetes.sh")
  "$ROOT/k8s/airgap/images.sh" python minio prometheus
  mapfile -t images < <("$bin/kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION")
  check_versions
  for image in "${images[@]}"; do
    build_control_plane "$image"
  done
  for image in "${images[@]}" "${workloads[@]}"; do
    ids+=("$(image_field "$image" .Id)")
  done
  build_on_base "$node" node add_to_node \
    --build-arg "KUBERNETES_VERSION=$KUBERNETES_VERSION" \
    --build-arg "PAUSE_IMAGE=$(printf '%s\n' "${images[@]}" | grep /pause:)" \
    --label "objectstore-sensor.sources=$KIND_VERSION ${ids[*]}"
  printf '%s\n' "$node"
}

# Names and tags are kubeadm's, sources are ours: they have to be of one version.
check_versions() {
  local expected
  for expected in "coredns:$COREDNS_VERSION" "etcd:${ETCD_VERSION#v}-"; do
    [[ "${images[*]}" == *"/$expected"* ]] ||
      die "kubeadm $KUBERNETES_VERSION asks for other versions than $expected: ${images[*]}; change versions.env"
  done
}

build_control_plane() {
  local image=$1 name=${1##*/}
  name=${name%%:*}
  case $name in
  pause) build_on_base "$image" pause : ;;
  kube-proxy) build_on_base "$image" kube-proxy "add_commands kube-proxy" ;;
  *) build_once "$image" static "add_entrypoint $name" --label "objectstore-sensor.source=$image" ;;
  esac
}

# add_commands NAMES... CONTEXT: copies commands that were built to bin/.
add_commands() {
  local context=${*: -1}
  mkdir -p "$context/bin"
  (cd "$bin" && cp --reflink=auto "${@:1:$#-1}" "$context/bin/")
}

add_entrypoint() {
  add_commands "$1" "$2"
  ln -s "$1" "$2/bin/entrypoint"
}

add_to_node() {
  local context=$1 image
  need_go
  # The module cache keeps no modes: directories and scripts 0755, the rest 0644.
  cp --recursive --no-preserve=mode "$(module_dir "sigs.k8s.io/kind@$KIND_VERSION")/images/base/files" "$context/kind"
  chmod 755 "$context"/kind/usr/local/bin/* "$context"/kind/kind/bin/*
  add_commands kubeadm kubelet kubectl "$context"
  mkdir "$context/images"
  save_images "$context/images/control-plane.tar" "${images[@]}"
  for image in "${workloads[@]}"; do
    save_image "$context/images/$(basename "${image%%:*}").tar" "$image"
  done
}

main
