#!/usr/bin/env bash
# A person with grpcurl and no .proto file can list and describe the API and run a task.
# Usage: grpcurl_test.sh ERRANDD. Exits with 77 (skipped) where grpcurl is not to be had. One that had to be built, which
# takes a minute, is kept in the user's cache folder.
set -euo pipefail

errandd=$1
grpcurl=$(command -v grpcurl || true)
if [ -z "$grpcurl" ]; then
  version=v1.9.1
  tools=${XDG_CACHE_HOME:-$HOME/.cache}/errand/grpcurl-$version
  grpcurl=$tools/grpcurl
  if [ ! -x "$grpcurl" ] && { ! command -v go >/dev/null ||
    ! GOBIN=$tools go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$version"; }; then
    echo "SKIPPED: there is no grpcurl, and 'go install' cannot get it"
    exit 77
  fi
fi

exec 3< <(exec "$errandd" --listen=127.0.0.1:0)
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
read -r _ _ address <&3

expect() { # expect TEXT COMMAND...: the output contains the text.
  local text=$1
  shift
  local output
  output=$("$@" 2>&1) || { echo "FAILED: $*: $output"; exit 1; }
  case "$output" in
    *"$text"*) echo "ok: ${*: -2} has '$text'" ;;
    *) echo "FAILED: $* has no '$text': $output"; exit 1 ;;
  esac
}

expect errand.v1.Tasks "$grpcurl" -plaintext "$address" list
expect errand.v1.Queues "$grpcurl" -plaintext "$address" list
expect errand.v1.Scripts "$grpcurl" -plaintext "$address" list
expect grpc.health.v1.Health "$grpcurl" -plaintext "$address" list
expect "rpc RunTask" "$grpcurl" -plaintext "$address" describe errand.v1.Tasks
expect "string source" "$grpcurl" -plaintext "$address" describe errand.v1.LuaTask
expect SERVING "$grpcurl" -plaintext "$address" grpc.health.v1.Health/Check
expect TASK_STATE_SUCCEEDED "$grpcurl" -plaintext \
  -d '{"create":{"task":{"lua":{"source":"return task.payload", "text":"hello"}}}}' \
  "$address" errand.v1.Tasks/RunTask
expect '"version": "1"' "$grpcurl" -plaintext \
  -d '{"script_id":"hello","script":{"source":"return 1"}}' "$address" errand.v1.Scripts/CreateScript
expect TASK_STATE_SUCCEEDED "$grpcurl" -plaintext \
  -d '{"create":{"task":{"lua":{"script":"scripts/hello"}}}}' "$address" errand.v1.Tasks/RunTask
kill -TERM "$server"
wait "$server" || { echo "FAILED: errandd ended with $?"; exit 1; }
