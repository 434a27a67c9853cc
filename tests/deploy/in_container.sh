#!/usr/bin/env bash
# The part of image_test.sh that runs in the container's namespaces: starts the image's entry point, runs
# tasks and the health check, stops the server. Arguments: ROOT, and what `buildah inspect` says of the image.
set -euo pipefail
root=$1
image=$2

# The words of one setting of the image, a line each.
setting() {
  python3 - "$image" "$1" <<'EOF'
import json, sys
value = json.load(open(sys.argv[1]))["Docker"]["config"]
for key in sys.argv[2].split("."):
    value = value[key]
print("\n".join([value] if isinstance(value, str) else value))
EOF
}
user=$(setting User)
mapfile -t environment < <(setting Env)
mapfile -t entrypoint < <(setting Entrypoint)
mapfile -t health < <(setting Healthcheck.Test)
[[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || { echo "FAILED: the image's user is no number above 0: '$user'"; exit 1; }

mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
for device in null zero random urandom; do
  [[ -e $root/dev/$device ]] || touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,bind,ro "$root"
ip link set lo up

# Runs a command in the container.
inside() {
  exec env -i "${environment[@]}" chroot "$root" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups \
    --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
}

fail() {
  echo "FAILED: $*"
  exit 1
}

# expect WHAT WANTED GOT
expect() {
  [[ $2 == "$3" ]] || fail "$1: wanted '$2', got '$3'"
  echo "ok: $1"
}

expect "it is not root" "$user" "$(inside /usr/bin/id -u):$(inside /usr/bin/id -g)"
expect "it has no capability" 0000000000000000 "$(inside /usr/bin/sed -n 's/^CapEff:\t//p' /proc/self/status)"
if (inside /usr/bin/touch /written /tmp/written) 2>/dev/null; then fail "the root file system can be written"; fi
echo "ok: it can write nowhere"

(inside "${entrypoint[@]}" --drain_timeout=5s) > >(sed 's/^/errandd: /') &
server=$!
deadline=$((SECONDS + 30))
until (inside "${health[@]:1}") >/dev/null 2>&1; do # [0] is the word CMD
  kill -0 "$server" 2>/dev/null || fail "the server ended before it was healthy"
  [[ $SECONDS -lt $deadline ]] || fail "the image's health check did not pass within 30 s"
done
echo "ok: the image's health check passes"

errand() { (inside /usr/local/bin/errand --quiet --server=127.0.0.1:50051 "$@"); }

expect "a script runs and its result comes back" 42 "$(errand run lua - <<<'return 6 * 7')"
code=0
errand run lua - --run-timeout=1s <<<'while true do end' >/dev/null 2>&1 || code=$?
expect "a script that does not end is stopped" 1 "$code"
expect "and the next one runs" hello "$(errand run lua - <<<'return "hello"')"

kill -TERM "$server"
code=0
wait "$server" || code=$?
expect "SIGTERM ends it with exit code 0" 0 "$code"
code=0
(inside "${health[@]:1}") >/dev/null 2>&1 || code=$?
[[ $code -ne 0 ]] || fail "the health check passes without a server"
echo "ok: the health check then fails"
