#!/usr/bin/env bash
# Prints the paths of two servers of the pinned versions, a line each, which it
# sets up on the first call: fake-gcs-server, for Google Cloud Storage (a Go
# module; 1 to 2 minutes), and the blob service of Azurite, Microsoft's emulator
# of Azure (an npm package, run by node; half a minute).
. "$(dirname "$0")/lib.sh"

gcs=$CACHE/bin/fake-gcs-server-$FAKE_GCS_VERSION
azurite=$CACHE/azurite-$AZURITE_VERSION

build_gcs() {
  go_install "github.com/fsouza/fake-gcs-server@$FAKE_GCS_VERSION" "$1"
  "$1" -help 2>&1 | grep -q -- -backend
}

# No scripts of packages are run: what is used needs none.
install_azurite() {
  npm install --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error "azurite@$AZURITE_VERSION"
  node "$1/node_modules/azurite/dist/src/blob/main.js" --version
}

need_node() {
  if ! { have node && have npm; }; then
    debian_install 'nodejs npm'
  fi
}

if [ ! -e "$gcs" ]; then
  need_go
  once "$gcs" "fake-gcs-server $FAKE_GCS_VERSION" build_gcs
fi
need_node
once "$azurite" "Azurite $AZURITE_VERSION" install_azurite
printf '%s\n' "$gcs" "$azurite/node_modules/azurite/dist/src/blob/main.js"
