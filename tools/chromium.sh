#!/usr/bin/env bash
# Prints the path of Chromium or Chrome, which draws pages for the tests and for
# make demo-kind; installs Debian's where there is none.
. "$(dirname "$0")/lib.sh"

find_browser() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if have "$name"; then
      command -v "$name"
      return
    fi
  done
  return 1
}

# Another font on each machine would make each screenshot another.
find_browser >/dev/null || debian_install 'chromium fonts-dejavu-core'
find_browser
