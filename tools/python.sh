#!/usr/bin/env bash
# Sets up the Python environment in .venv, exactly as uv.lock says.
. "$(dirname "$0")/lib.sh"

install_uv() {
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet "uv==$UV_VERSION"
}

# missing: what this machine's Python lacks, in words; nothing where it is usable.
missing() {
  if ! have python3; then
    printf 'python3 3.10 or newer is not on PATH'
  elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    printf '%s is %s, and 3.10 or newer is needed' "$(command -v python3)" "$(python3 --version 2>&1)"
  elif ! python3 -c 'import ensurepip' 2>/dev/null; then
    printf '%s has no venv module (on Debian: python3-venv)' "$(command -v python3)"
  fi
}

require_python() {
  local lacks
  lacks=$(missing)
  [ -z "$lacks" ] || die "no usable Python: $lacks; install it"
}

install_python() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends python3 python3-venv
}

sync() {
  "$UV" sync --locked --no-progress --project "$ROOT"
}

if [ -n "$(missing)" ] && have apt-get && [ "$(id -u)" -eq 0 ]; then
  step "Python 3" install_python
fi
# Again after apt-get: an old distribution has only an old Python.
require_python
once "$CACHE/uv-$UV_VERSION" "uv $UV_VERSION" install_uv
# Interpreters are the machine's: uv would fetch others from where a locked-down network does not reach.
export UV_PYTHON_DOWNLOADS=never
[ "$ROOT/.venv/.synced" -nt "$ROOT/uv.lock" ] || step "Python environment (.venv)" sync
touch "$ROOT/.venv/.synced"
