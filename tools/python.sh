#!/usr/bin/env bash
# Sets up the Python environment in .venv, exactly as uv.lock says.
. "$(dirname "$0")/lib.sh"

uv=$CACHE/uv-$UV_VERSION/bin/uv

install_uv() {
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet "uv==$UV_VERSION"
}

python_is_usable() {
  have python3 && python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

install_python() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends python3 python3-venv
}

sync() {
  "$uv" sync --locked --no-progress --project "$ROOT"
}

if ! python_is_usable; then
  if ! have apt-get || [ "$(id -u)" -ne 0 ]; then
    die "no usable Python: python3 3.10 or newer with its venv module is needed; install both"
  fi
  step "Python 3" install_python
fi
once "$CACHE/uv-$UV_VERSION" "uv $UV_VERSION" install_uv
# Interpreters are the machine's: uv would fetch others from where a locked-down network does not reach.
export UV_PYTHON_DOWNLOADS=never
[ "$ROOT/.venv/.synced" -nt "$ROOT/uv.lock" ] || step "Python environment (.venv)" sync
touch "$ROOT/.venv/.synced"
