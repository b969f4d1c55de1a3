#!/usr/bin/env bash
# Asks a database of vulnerabilities (PyPI's own, through pip-audit) about what the lock file puts into the watcher's
# image, and beside the sensor. Fails where one is known, and where the database does not answer.
. "$(dirname "$0")/lib.sh"

tool=$CACHE/pip-audit-$PIP_AUDIT_VERSION
# A package of which the database is known to tell: else silence would pass for health.
canary=urllib3==2.0.0

install_pip_audit() {
  "$UV" venv --quiet "$1"
  "$UV" pip install --quiet --python "$1" "pip-audit==$PIP_AUDIT_VERSION"
}

# --strict: a package that cannot be looked up is a failure, not a remark.
audit() {
  "$tool/bin/python" -m pip_audit --strict --disable-pip --progress-spinner off --timeout 20 "$@"
}

# told_of_canary: whether the database answers, and knows.
told_of_canary() {
  local requirements=$CACHE/log/audit-canary.txt told
  printf '%s\n' "$canary" >"$requirements"
  # It fails in both cases: of the canary there is something to tell.
  told=$(audit --no-deps --format json --requirement "$requirements" 2>"$CACHE/log/audit-canary.log") || true
  grep -q '"vulns": \[{' <<<"$told"
}

# audit_package NAME: its dependencies, as locked, for the Python that runs here.
audit_package() {
  local requirements=$CACHE/log/audit-$1.txt
  rm -f "$requirements"
  "$UV" export --quiet --locked --project "$ROOT" --package "$1" --all-extras --no-dev --no-emit-workspace \
    --output-file "$requirements"
  printf '== %s: %d packages\n' "$1" "$(grep -c '^[a-zA-Z0-9].*==' "$requirements")"
  audit --require-hashes --requirement "$requirements"
}

once "$tool" "pip-audit $PIP_AUDIT_VERSION" install_pip_audit
told_of_canary || die "nothing was audited: the vulnerability database does not answer from here" \
  "($(tail -n 1 "$CACHE/log/audit-canary.log" | cut -c1-200)); run make audit where PyPI's JSON API can be reached"
status=0
for package in objectstore-watcher objectstore-sensor; do
  audit_package "$package" || status=1 # the other one is looked at, too
done
exit "$status"
