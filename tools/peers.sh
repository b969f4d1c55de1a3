#!/usr/bin/env bash
# Prints, for each tool that make bench-peers compares the watcher with, its name and the Python of an environment of its
# own that holds it; makes the environments on the first call (a minute, 550 MB). make test needs none of them.
. "$(dirname "$0")/lib.sh"

export UV_PYTHON_DOWNLOADS=never

install_peer() {
  local environment=${!#}
  "$UV" venv --quiet "$environment"
  "$UV" pip install --quiet --python "$environment" "${@:1:$#-1}"
}

# peer NAME REQUIREMENT...: what is not pinned here is as new as when the environment was made.
peer() {
  local name=$1 pins environment
  shift
  pins=$(tr ' ' + <<<"$*")
  environment=$CACHE/peers/${pins//==/-}
  once "$environment" "$name (${*//==/ })" install_peer "$@"
  printf '%s %s\n' "$name" "$environment/bin/python"
}

peer awscli "awscli==$AWSCLI_VERSION"
peer flytekit "flytekit==$PEER_FLYTEKIT_VERSION" "s3fs==$S3FS_VERSION"
peer s3fs "s3fs==$S3FS_VERSION"
peer airflow "apache-airflow==$AIRFLOW_VERSION" "apache-airflow-providers-amazon[aiobotocore]==$AIRFLOW_AMAZON_VERSION"
