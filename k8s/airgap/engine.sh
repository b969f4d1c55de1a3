# shellcheck shell=bash
# The container engine, and the few things docker and podman do differently.
# Sourced, after tools/lib.sh.

# What kind needs of podman: names and ports for containers, and runc (crun
# refuses hosts with both cgroup versions).
readonly podman_packages='podman netavark aardvark-dns iptables runc'
readonly podman_settings=/etc/containers/containers.conf.d/50-objectstore-sensor.conf

# use_engine: sets ENGINE to docker or podman: as the environment says, else the one that
# the cluster was made with, else the first that works here.
# Where neither does, podman is installed if this is Debian (or Ubuntu) and root.
use_engine() {
  check_choice
  ENGINE=$(find_engine)
  if [ -z "$ENGINE" ]; then
    install_podman
    ENGINE=$(find_engine)
    [ -n "$ENGINE" ] || die 'no container engine: podman was installed, but "podman info" fails; run that to see why'
  fi
  if [ "$ENGINE" = podman ]; then
    export KIND_EXPERIMENTAL_PROVIDER=podman
  fi
}

check_choice() {
  local made
  made=$(cluster_engine)
  case ${ENGINE:=} in
  '' | docker | podman) ;;
  *) die "ENGINE=$ENGINE: unknown; leave it out, or set it to docker or podman" ;;
  esac
  if [ "$ENGINE" = docker ] && [ -z "$(find_engine)" ]; then
    die 'ENGINE=docker: "docker info" does not work here; start docker, or leave ENGINE out'
  fi
  if [ -n "$ENGINE" ] && [ -n "$made" ] && [ "$ENGINE" != "$made" ]; then
    die "ENGINE=$ENGINE: the cluster was made with $made; remove it first, by make kind-down without ENGINE"
  fi
}

# cluster_engine: what the cluster was made with, nothing where there is none. Another
# engine that is started later would find neither the cluster nor its images.
cluster_engine() {
  cat "$CACHE/cluster/engine" 2>/dev/null || true
}

find_engine() {
  local engine
  for engine in ${ENGINE:-$(cluster_engine) docker podman}; do
    if have "$engine" && ! is_podman_as_docker "$engine" && timeout 30 "$engine" info >/dev/null 2>&1; then
      printf '%s' "$engine"
      return
    fi
  done
}

# Some distributions give podman the name of docker, too; what it does differently
# it does under that name as well.
is_podman_as_docker() {
  [ "$1" = docker ] && [[ $(docker --version 2>/dev/null) == *podman* ]]
}

install_podman() {
  if [ ! -e /etc/debian_version ] || [ "$(id -u)" -ne 0 ]; then
    die 'no container engine: neither "docker info" nor "podman info" works here; install and start one of them (on Debian and Ubuntu, run as root and podman is installed for you)'
  fi
  # The settings first, so that a podman that is there is one that is set up.
  step 'podman: settings' configure_podman
  debian_install "$podman_packages"
}

# Podman's default limits can exceed the hard limits of this root, which only a
# root with CAP_SYS_RESOURCE may raise: no container would start.
configure_podman() {
  local files processes
  files=$(lower_of 20000 "$(ulimit -Hn)")
  processes=$(lower_of 20000 "$(ulimit -Hu)")
  # kind mounts it into the node; hosts whose kernel has no modules lack it.
  mkdir -p /lib/modules "$(dirname "$podman_settings")"
  cat >"$podman_settings.part" <<TOML
# Written by k8s/airgap/engine.sh of objectstore-sensor, which says why.
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
# The node is a container with all its pods in it: podman's 2048 processes are those of 80 sensors.
pids_limit = 0

[engine]
runtime = "runc"
TOML
  mv "$podman_settings.part" "$podman_settings"
}

# lower_of NUMBER LIMIT, where LIMIT may be "unlimited".
lower_of() {
  if [ "$2" = unlimited ] || [ "$1" -lt "$2" ]; then
    printf '%s' "$1"
  else
    printf '%s' "$2"
  fi
}

# need_ports CONFIG: dies where a port of the host that CONFIG maps is taken. kind's
# own error names neither what it is for nor a cure, and leaves half a cluster.
need_ports() {
  local port
  for port in $(sed -n 's/^ *\(- \)\{0,1\}hostPort: *\([0-9]*\).*/\2/p' "$1"); do
    ! listens "$port" || die "port $port of 127.0.0.1 is in use, and the cluster needs it ($(basename "$1"));" \
      "end what listens there: ss --listening --tcp --processes 'sport = :$port' names it"
  done
}

# listens PORT: whether anything takes connections, or holds the port without.
listens() {
  (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || ss --listening --tcp --no-header "sport = :$1" 2>/dev/null | grep -q .
}

# build_image NAME ARGUMENTS...: docker or podman build. On the host's network:
# package indexes may be reachable only as the host reaches them. Docker's old builder
# would keep the container of a step that fails, and it its image.
build_image() {
  local name=$1
  shift
  "$ENGINE" build --network=host --force-rm --tag "$name" "$@"
}

# Docker's build mounts no files of the host: there its first stage starts from this image.
readonly settings_image=objectstore-sensor-build-settings
readonly settings=$CACHE/build-settings
readonly certificates=/etc/ssl/certs/ca-certificates.crt # in the image

# host_settings: writes what lets pip and uv find the package index in a build as they
# do on the host: pip.conf, uv.toml and, where the host names one, a CA bundle.
host_settings() {
  local found bundle
  rm -rf "$settings"
  mkdir -p "$settings"
  # pip knows it as global.NAME='VALUE' (files) and :env:.NAME='VALUE' (PIP_NAME).
  found=$(pip_settings |
    sed -nE "s/^(global|:env:)\.([a-z-]+)='(.*)'\$/\2 = \3/p" | sort --unique) || found=
  bundle=${SSL_CERT_FILE:-$(sed -n 's/^cert = //p' <<<"$found" | head -n 1)}
  [ ! -f "$bundle" ] || install --mode=644 "$bundle" "$settings/ca-certificates.crt"
  {
    printf '[global]\n'
    # shellcheck disable=SC2001 # line by line
    sed "s|^cert = .*|cert = $certificates|" <<<"$found"
  } >"$settings/pip.conf"
  {
    printf 'native-tls = true\n'
    sed -n 's/^index-url = \(.*\)/index-url = "\1"/p' <<<"$found"
  } >"$settings/uv.toml"
}

# pip_settings: of the first python3 that has pip: make's own, of .venv, has none.
pip_settings() {
  local python
  while read -r python; do
    if "$python" -m pip config list 2>/dev/null; then
      return
    fi
  done < <(type -ap python3)
}

# mounted_settings: prints, one a line, podman's build options that mount them, of which
# an image keeps at most empty files.
mounted_settings() {
  printf -- '--volume=%s:ro\n' "$settings/pip.conf:/etc/pip.conf" "$settings/uv.toml:/etc/uv/uv.toml"
  if [ -e "$settings/ca-certificates.crt" ]; then
    printf -- '--volume=%s:ro\n' "$settings/ca-certificates.crt:$certificates"
  fi
  if [ -d "${PIP_FIND_LINKS:-}" ]; then
    printf -- '--volume=%s:ro\n' "$PIP_FIND_LINKS:$PIP_FIND_LINKS"
  fi
}

# need_settings: whether the host has any to put into an image. A password in a URL is
# left out, which the image would keep, and a directory, which is not in it.
need_settings() {
  if grep --quiet '://[^/]*@' "$settings/pip.conf"; then
    printf '%s\n' >&2 'warning: a package index of pip has a password in its URL: it is kept from "docker build",' \
      'which would leave it in an image; use podman, whose build only mounts it'
  fi
  sed --in-place -e '/:\/\/[^/]*@/d' -e '/^find-links = \//d' "$settings/pip.conf" "$settings/uv.toml"
  [ -e "$settings/ca-certificates.crt" ] || grep --quiet :// "$settings/pip.conf"
}

# build_settings_image BASE
build_settings_image() {
  {
    printf 'FROM %s\nCOPY pip.conf /etc/\nCOPY uv.toml /etc/uv/\n' "$1"
    [ ! -e "$settings/ca-certificates.crt" ] || printf 'COPY ca-certificates.crt %s\n' "$certificates"
  } >"$settings/Dockerfile"
  build_image "$settings_image" "$settings"
}

# image_field NAME GO-TEMPLATE: a field of a local image, empty if there is none.
image_field() {
  "$ENGINE" image inspect --format "{{ $2 }}" "$1" 2>/dev/null || true
}

# save_image FILE NAME: as an archive for "kind load". A name without a host stays
# one (podman save would write localhost/NAME); containerd then completes it as it
# completes such names in manifests.
save_image() {
  rm -f "$1"
  if [ "$ENGINE" = podman ]; then
    podman push --quiet "$2" "docker-archive:$1:$2"
  else
    docker save --output "$1" "$2"
  fi
}

# save_images FILE NAMES...: several, with the hosts in their names, as one archive.
save_images() {
  local file=$1
  shift
  if [ "$ENGINE" = podman ]; then
    podman save --quiet --multi-image-archive --output "$file" "$@"
  else
    docker save --output "$file" "$@"
  fi
}
