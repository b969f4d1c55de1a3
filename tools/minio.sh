#!/usr/bin/env bash
# Prints the path of the MinIO server of the pinned release, which it builds on
# the first call (1 to 2 minutes).
. "$(dirname "$0")/lib.sh"

binary=$CACHE/bin/minio-$MINIO_RELEASE

build() {
  go_install "github.com/minio/minio@$MINIO_MODULE_VERSION" "$1"
  "$1" --version
}

if [ ! -e "$binary" ]; then
  need_go
  once "$binary" "MinIO ${MINIO_RELEASE#RELEASE.}" build
fi
printf '%s\n' "$binary"
