# shellcheck shell=bash
# Builds an image only when what it is made from has changed.
# Sourced, after tools/lib.sh and engine.sh.

# The image that all but the static ones start from.
readonly base=objectstore-sensor/debian:$DEBIAN_RELEASE
readonly image_sources=$ROOT/k8s/airgap/images

# build_once NAME DIRECTORY FILL ARGUMENTS...: builds k8s/airgap/images/DIRECTORY
# unless the engine has NAME from the same files and arguments. FILL is a command
# that is given the build context to add what is not in the repository.
build_once() {
  local name=$1 directory=$2 fill=$3 label=objectstore-sensor.recipe recipe
  shift 3
  recipe=$(recipe_of "$directory" "$@")
  if [ "$(image_field "$name" "index .Config.Labels \"$label\"")" != "$recipe" ]; then
    step "image ${name##*/}" build_in_context "$directory" "$fill" "$name" --label "$label=$recipe" "$@"
  fi
}

# build_on_base: the same for images on the base: again when the base was.
build_on_base() {
  local name=$1 directory=$2 fill=$3
  shift 3
  build_once "$name" "$directory" "$fill" --build-arg "BASE_IMAGE=$base" \
    --label "objectstore-sensor.base=$(image_field "$base" .Id)" "$@"
}

recipe_of() {
  local directory=$1
  shift
  {
    printf '%s\n' "$@"
    find "$image_sources/$directory" -type f -print0 | sort -z | xargs -0 cat
  } | sha256sum | cut -c1-16
}

build_in_context() {
  local directory=$1 name=$3 context=$CACHE/context/$1 fill
  read -ra fill <<<"$2"
  shift 3
  rm -rf "$context"
  mkdir -p "$context"
  cp --recursive "$image_sources/$directory/." "$context"
  "${fill[@]}" "$context"
  build_image "$name" "$@" "$context"
  rm -rf "$context"
  # The build that this one took the name from, a gigabyte for a node.
  "$ENGINE" image prune --force --filter label=objectstore-sensor.recipe
}
