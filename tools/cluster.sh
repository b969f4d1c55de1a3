#!/usr/bin/env bash
# The kind cluster of this project: kind-config.yaml, with stock images where a
# registry answers, else with images built here (k8s/airgap).
#
#   tools/cluster.sh up                   creates it, or finds it running; prints its kubeconfig
#   tools/cluster.sh env                  shell lines for kubectl and kind: eval "$(tools/cluster.sh env)"
#   tools/cluster.sh build NAME ARGS...   docker or podman build, with BASE_IMAGE as a build argument
#   tools/cluster.sh load NAME...         puts local images into the cluster
#   tools/cluster.sh push NAME TARGET     puts a local image into a registry
#   tools/cluster.sh id NAME              prints a local image's id, nothing where there is none
#   tools/cluster.sh size NAME            prints a local image's size in bytes
#   tools/cluster.sh run NAME COMMAND...  runs a command in a local image, as root, without network
#   tools/cluster.sh base                 prints the name of the base of our own images
#   tools/cluster.sh node COMMAND...      runs a command on the cluster's node
#   tools/cluster.sh down                 deletes it and the images of our own; says what stays
#
# IMAGES=stock or IMAGES=airgap chooses; without it the registry is asked.
# ENGINE=docker or ENGINE=podman, where both work; without it docker, or the cluster's own.
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
  # Two runs must not create, delete or fill one cluster together.
  up | down | load | build) with_lock cluster "$command" "$@" ;;
  env) print_env ;;
  node) on_node "$@" ;;
  push) push "$@" ;;
  size) size "$@" ;;
  run) run "$@" ;;
  id)
    use_engine
    image_field "$1" .Id
    ;;
  base)
    use_engine
    python_image
    ;;
  *)
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
  esac
}

up() {
  local images node made_of
  use_engine
  need_kind
  images=$(which_images)
  node=$(node_image "$images")
  made_of=$(made_of "$images" "$node")
  if ! is_running "$made_of"; then
    create "$images" "$node"
    # Last: a cluster that is half made is not to be taken for a whole one.
    printf '%s\n' "$made_of" >"$state/made-of"
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
    if [ -e "$state/made-of" ]; then
      cut -d' ' -f1 "$state/made-of"
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

# made_of IMAGES NODE-IMAGE: what a cluster is made from; of an image built here,
# which build.
made_of() {
  local node=$2
  [ "$1" = stock ] || node=$(image_field "$2" .Id)
  printf '%s %s %s' "$1" "$node" "$(sha256sum <"$config" | cut -c1-16)"
}

# is_running MADE-OF: such a cluster exists and answers. The engine may still list
# one as running whose processes ended with the host's last boot.
is_running() {
  [ "$(cat "$state/made-of" 2>/dev/null)" = "$1" ] &&
    kubectl get --raw /readyz --request-timeout=5s >/dev/null 2>&1
}

create() {
  local images=$1 node=$2
  step 'cluster: remove what is left of an old one' remove
  need_ports "$config"
  mkdir -p "$state"
  printf '%s\n' "$ENGINE" >"$state/engine"
  step "cluster: create ($images images)" \
    kind create cluster --config "$config" --image "$node" --wait 180s
  # Ready nodes do not mean that names resolve.
  step 'cluster: wait for DNS' kubectl --namespace kube-system rollout status deployment/coredns --timeout=120s
}

remove() {
  kind delete cluster --name "$cluster"
  rm -rf "$state"
}

down() {
  use_engine
  need_kind
  step 'cluster: delete' remove
  step 'images of our own: remove' remove_own_images
  tell_what_stays >&2
}

# remove_own_images: all tags of what tools/images.sh says it built, and what builds
# on images of k8s/airgap, whose label they have, left without a name.
remove_own_images() {
  local mark name image own=()
  for mark in "$CACHE"/images/* "$settings_image"; do
    name=$(basename "$mark")
    for image in $("$ENGINE" image ls --format '{{.Repository}}:{{.Tag}}'); do
      case $image in "$name":* | "localhost/$name":*) own+=("$image") ;; esac
    done
  done
  [ "${#own[@]}" -eq 0 ] || "$ENGINE" image rm "${own[@]}"
  "$ENGINE" image prune --force --filter label=objectstore-sensor.recipe
  rm -rf "$CACHE/images"
}

# tell_what_stays: what the next cluster would take long to get again, or not run without.
tell_what_stays() {
  local images
  images=$("$ENGINE" image ls --filter dangling=false --filter label=objectstore-sensor.recipe --format '{{.Repository}}:{{.Tag}}' | xargs)
  printf 'stays, for the next cluster:\n'
  printf '  %s: downloads and builds; remove with rm -r\n' "$CACHE"
  if [ -n "$images" ]; then
    printf "  images that stand in for a registry's: %s\n" "$images"
    printf '    remove with: %s image prune --all --filter label=objectstore-sensor.recipe\n' "$ENGINE"
  fi
  printf '  images that were pulled, and what builds on them left without a name: %s image prune\n' "$ENGINE"
  [ "$ENGINE" = podman ] || printf '  what BuildKit keeps of builds: docker builder prune\n'
  if [ -e "$podman_settings" ]; then
    printf '  %s: without it podman starts no container here; remove it with podman\n' "$podman_settings"
  fi
}

# load NAME...: skips what the node got before.
load() {
  local name id mark
  use_engine
  [ -e "$state/made-of" ] || die 'no cluster to load images into; run: tools/cluster.sh up'
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

# Not locked: tests ask many nodes' things at once.
on_node() {
  use_engine
  "$ENGINE" exec "$cluster-control-plane" "$@"
}

size() {
  use_engine
  image_field "$1" .Size
}

run() {
  local name=$1 program=$2
  shift 2
  use_engine
  "$ENGINE" run --rm --interactive --user=0 --network=none --entrypoint "$program" "$name" "$@"
}

push() {
  use_engine
  "$ENGINE" tag "$1" "$2"
  step "image $2: push" "$ENGINE" push "$2"
}

build() {
  local name=${1:?usage: tools/cluster.sh build NAME ARGUMENTS...} base options=()
  shift
  use_engine
  base=$(python_image)
  host_settings
  if [ "$ENGINE" = podman ]; then
    mapfile -t options < <(mounted_settings)
  elif need_settings; then
    step 'image of the package settings of this host' build_settings_image "$base"
    options=(--build-arg "BUILD_IMAGE=$settings_image")
  fi
  step "image $name" build_image "$name" --build-arg "BASE_IMAGE=$base" "${options[@]}" "$@"
}

# python_image: the base for images of ours, pulled where it is not there. Podman knows
# no default registry, and may have an image of the same name that was built here: by a
# reference that implies a registry, and known by its id. Docker's build would not keep
# what it pulls as an image, and the tests ask for its size.
python_image() {
  local images name=$STOCK_PYTHON_IMAGE pulled=$CACHE/pulled/$STOCK_PYTHON_IMAGE
  images=$(which_images) # not in the condition, where a failure would go unnoticed
  if [ "$images" = airgap ]; then
    "$ROOT/k8s/airgap/images.sh" python
  elif [ "$ENGINE" = podman ]; then
    name=$(cat "$pulled" 2>/dev/null || true)
    if [ -z "$name" ] || [ -z "$(image_field "$name" .Id)" ]; then
      step "image $STOCK_PYTHON_IMAGE: pull" podman_pull "$STOCK_PYTHON_IMAGE" "$pulled"
      name=$(cat "$pulled")
    fi
  else
    [ -n "$(image_field "$name" .Id)" ] || step "image $name: pull" docker pull --quiet "$name"
  fi
  printf '%s' "$name"
}

# podman_pull NAME FILE: its id to FILE.
podman_pull() {
  mkdir -p "$(dirname "$2")"
  podman pull --quiet "docker://$1" >"$2.part"
  mv "$2.part" "$2"
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
