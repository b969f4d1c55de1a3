#!/usr/bin/env bash
# Builds the images that a registry would serve, under the names that manifests
# use, without a registry's host. Arguments: base, python, minio, prometheus.
. "$(dirname "$0")/../../tools/lib.sh"
. "$ROOT/k8s/airgap/engine.sh"
. "$ROOT/k8s/airgap/build-once.sh"

debian=$CACHE/airgap/debian-$DEBIAN_RELEASE.tar

main() {
  local image
  use_engine
  build_base
  for image in "$@"; do
    case $image in
    base) ;;
    python) build_on_base "$STOCK_PYTHON_IMAGE" python : ;;
    minio)
      minio=$("$ROOT/tools/minio.sh")
      build_on_base "minio/minio:$MINIO_RELEASE" minio add_minio
      ;;
    prometheus)
      prometheus=$("$ROOT/tools/prometheus.sh")
      build_on_base "prom/prometheus:v$PROMETHEUS_VERSION" prometheus add_prometheus
      ;;
    *) die "no such image: $image; there are base, python, minio and prometheus" ;;
    esac
  done
}

build_base() {
  if [ ! -e "$debian" ]; then
    have debootstrap || debian_install debootstrap
    [ "$(id -u)" -eq 0 ] || die 'cannot build a Debian base image: debootstrap needs root; run as root'
    once "$debian" "Debian $DEBIAN_RELEASE" debian_tar
  fi
  build_once "$base" base add_debian
}

# debian_tar FILE. In a mount namespace of its own, so that a debootstrap that is
# killed leaves no mount behind. DEBIAN_MIRROR replaces debootstrap's own mirror.
debian_tar() {
  local root=$1.root
  rm -rf "$root"
  nice unshare --mount debootstrap --variant=minbase "$DEBIAN_RELEASE" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
  # Settings for packages installed later, and what they would have kept out so far.
  cp --recursive "$image_sources/base/files/." "$root"
  find "$root"/usr/share/{doc,man,info,locale,lintian} -mindepth 1 -delete
  rm -rf "$root"/var/{lib/apt/lists,cache/apt,log}/*
  tar --create --file "$1" --numeric-owner --directory "$root" .
  rm -rf "$root"
}

add_debian() {
  ln "$debian" "$1/debian.tar"
}

add_minio() {
  cp --reflink=auto "$minio" "$1/minio"
}

add_prometheus() {
  cp --reflink=auto "$prometheus" "$1/prometheus"
}

main "$@"
