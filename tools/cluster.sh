#!/usr/bin/env bash
# The kind cluster of this project: kind-config.yaml, with stock images where a
# registry answers, else with images built here (k8s/airgap).
#
#   tools/cluster.sh up                   creates it, or finds it running; prints its kubeconfig
#   tools/cluster.sh env                  shell lines for kubectl and kind: eval "$(tools/cluster.sh env)"
#   tools/cluster.sh build NAME ARGS...   docker or podman build, with BASE_IMAGE as a build argument
#   tools/cluster.sh load NAME...         puts local images into the cluster
#   tools/cluster.sh down                 deletes it; the cache stays
#
# IMAGES=stock or IMAGES=airgap chooses; without it the registry is asked.
. "$(dirname "$0")/lib.sh"
. "$ROOT/k8s/airgap/engine.sh"

readonly cluster=objectstore-sensor
readonly config=$ROOT/kind-config.yaml
# What belongs to the running cluster and goes with it.
readonly state=$CACHE/cluster
readonly kind_dir=$CACHE/bin/kind-$KIND_VERSION
readonly kubernetes_dir=$CACHE/bin/kubernetes-$KUBERNETES_VERSION
export KUBECONFIG=$state/kubeconfig
PATH=$kind_dir:$kubernetes_dir:$PATH

main() {
  local command=${1:-}
  shift || true
  case $command in
  up | down | load | build) locked "$command" "$@" ;;
  env) print_env ;;
  *)
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
  esac
}

# One at a time: two runs must not create, delete or fill one cluster together.
locked() {
  (
    flock 9
    "$@" 9>&-
  ) 9>"$CACHE/lock/cluster"
}

up() {
  local images node
  use_engine
  need_kind
  images=$(which_images)
  node=$(node_image "$images")
  if ! is_running "$images $node"; then
    create "$images" "$node"
  fi
  if [ "$images" = airgap ]; then
    "$ROOT/k8s/airgap/images.sh" python minio prometheus
    load "$STOCK_PYTHON_IMAGE" "minio/minio:$MINIO_RELEASE" "prom/prometheus:v$PROMETHEUS_VERSION"
  fi
  printf '%s\n' "$KUBECONFIG"
}

need_kind() {
  if [ ! -e "$kind_dir/kind" ]; then
    need_go
    once "$kind_dir/kind" "kind $KIND_VERSION" go_install "sigs.k8s.io/kind@$KIND_VERSION"
  fi
}

# which_images: stock or airgap. A running cluster has decided.
which_images() {
  case ${IMAGES:-auto} in
  stock | airgap) printf '%s' "$IMAGES" ;;
  auto)
    if [ -e "$state/images" ]; then
      cut -d' ' -f1 "$state/images"
    elif registry_answers >/dev/null 2>&1; then
      printf stock
    else
      printf airgap
    fi
    ;;
  *) die "IMAGES=$IMAGES: unknown; leave it out, or set it to stock or airgap" ;;
  esac
}

# Asked about the node image, not for it, which would take minutes.
registry_answers() {
  local name=${STOCK_NODE_IMAGE%%:*}
  if [ "$ENGINE" = podman ]; then
    timeout 20 podman search --list-tags --limit 1 "$name"
  else
    timeout 20 docker manifest inspect "$name@${STOCK_NODE_IMAGE#*@}"
  fi
}

# node_image IMAGES: its name; makes sure that there is a kubectl beside it, too.
node_image() {
  if [ "$1" = airgap ]; then
    "$ROOT/k8s/airgap/node-image.sh"
  else
    have kubectl || "$ROOT/k8s/airgap/kubernetes.sh" kubectl >&2
    printf '%s\n' "$STOCK_NODE_IMAGE"
  fi
}

# is_running WHAT: a cluster made from this kind-config.yaml and these images that
# answers. Not so one whose processes died with the host: the engine may still
# list it as running.
is_running() {
  [ "$(cat "$state/images" 2>/dev/null)" = "$1 $(fingerprint)" ] &&
    kubectl get --raw /readyz --request-timeout=5s >/dev/null 2>&1
}

fingerprint() {
  sha256sum <"$config" | cut -c1-16
}

create() {
  local images=$1 node=$2
  step 'cluster: remove what is left of an old one' remove
  mkdir -p "$state"
  step "cluster: create ($images images)" \
    kind create cluster --config "$config" --image "$node" --wait 180s
  # Ready nodes do not mean that names resolve.
  step 'cluster: wait for DNS' kubectl --namespace kube-system rollout status deployment/coredns --timeout=120s
  # Last, so that a cluster that is half made is not taken for a whole one.
  printf '%s %s %s\n' "$images" "$node" "$(fingerprint)" >"$state/images"
}

remove() {
  kind delete cluster --name "$cluster"
  rm -rf "$state"
}

down() {
  use_engine
  need_kind
  step 'cluster: delete' remove
}

# load NAME...: skips what the node got before.
load() {
  local name id mark
  use_engine
  [ -e "$state/images" ] || die 'no cluster to load images into; run: tools/cluster.sh up'
  mkdir -p "$state/loaded"
  for name in "$@"; do
    id=$(image_field "$name" .Id)
    [ -n "$id" ] || die "no local image $name; build it first: tools/cluster.sh build $name ..."
    mark=$state/loaded/$(tr / _ <<<"$name")
    if [ "$(cat "$mark" 2>/dev/null)" != "$id" ]; then
      step "cluster: load $name" load_one "$name"
      printf '%s\n' "$id" >"$mark"
    fi
  done
}

load_one() {
  save_image "$state/image.tar" "$1"
  kind load image-archive --name "$cluster" "$state/image.tar"
  rm "$state/image.tar"
}

build() {
  local name=${1:?usage: tools/cluster.sh build NAME ARGUMENTS...} base options
  shift
  use_engine
  base=$(python_image)
  mapfile -t options < <(host_settings)
  step "image $name" build_image "$name" --build-arg "BASE_IMAGE=$base" "${options[@]}" "$@"
}

# python_image: the base for images of ours. Podman knows no default registry, so
# there it is pulled first, by a reference that implies one.
python_image() {
  if [ "$(which_images)" = airgap ]; then
    "$ROOT/k8s/airgap/images.sh" python
    printf '%s' "$STOCK_PYTHON_IMAGE"
  elif [ "$ENGINE" = podman ]; then
    podman pull --quiet "docker://$STOCK_PYTHON_IMAGE"
  else
    printf '%s' "$STOCK_PYTHON_IMAGE"
  fi
}

print_env() {
  printf 'export KUBECONFIG=%q\n' "$KUBECONFIG"
  printf 'export KIND_CLUSTER_NAME=%q\n' "$cluster"
  # shellcheck disable=SC2016 # for the shell that evaluates it
  printf 'export PATH=%q:%q:"$PATH"\n' "$kind_dir" "$kubernetes_dir"
  if [ "$(find_engine)" = podman ]; then
    printf 'export KIND_EXPERIMENTAL_PROVIDER=podman\n'
  fi
}

main "$@"
