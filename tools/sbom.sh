#!/usr/bin/env bash
# Writes an SBOM (CycloneDX) of the watcher's image to build/sbom.json, and prints its path: the distributions with
# the hashes of the lock file, the interpreter, and what the base has of Debian. The image is built if need be.
. "$(dirname "$0")/lib.sh"

image=objectstore-watcher:$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/sidecar/pyproject.toml")
build=$ROOT/build
python=$ROOT/.venv/bin/python

# Not in a pipe: what fails must be seen.
write() {
  cd "$ROOT"
  "$UV" export --quiet --locked --package objectstore-watcher --extra flyte --extra clouds --no-dev --format cyclonedx1.5 \
    --preview-features sbom-export --output-file "$build/sbom.locked"
  "$python" -m tools.sbom look >"$build/sbom.look"
  "$ROOT/tools/cluster.sh" run "$image" /opt/watcher/bin/python - <"$build/sbom.look" >"$build/sbom.found"
  "$python" -m tools.sbom "$build/sbom.locked" "$build/sbom.found" >"$build/sbom.part"
  mv "$build/sbom.part" "$build/sbom.json"
  rm "$build"/sbom.{locked,look,found}
}

mkdir -p "$build"
"$ROOT/tools/images.sh" watcher
step "SBOM of $image" write
printf '%s\n' "$build/sbom.json"
