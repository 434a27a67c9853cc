#!/usr/bin/env bash
# Errand's main job, on real input: `./dev demo` builds the programs and starts this.
#
#   demo.sh BIN     BIN is the folder of errandd and errand
#
# Everything that it starts listens on a free port of 127.0.0.1, and is stopped at the end.
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "${BASH_SOURCE[0]}")"
sink=../../../tests/end_to_end/smtp_sink.py # a mail server that delivers to its standard output

fail() {
  echo "demo: $*" >&2
  exit 1
}

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# Prints a command as one would type it, and runs it. What it says of events goes to its standard error.
show() {
  printf '%s$ %s%s\n' "$dim" "${*@Q}" "$plain" | sed "s/'\([a-z0-9@=:._/-]*\)'/\1/gI"
  "$@" 2>&1
}

bold='' dim='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' dim=$'\e[36m' plain=$'\e[0m'; fi

[[ -x $bin/errandd && -x $bin/errand ]] || fail "$bin has no errandd and errand; ./dev demo builds them"
# Debian's own python3 is the one that has Debian's python3-aiosmtpd.
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null ||
  fail "the mail server of this demo needs python3-aiosmtpd: ./dev setup build, or apt-get install python3-aiosmtpd"

work=$(mktemp -d)
started=()
stop_all() {
  local pid
  for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop_all EXIT
trap 'exit 130' INT TERM

# start NAME COMMAND...: starts it and leaves its first line in $first; $descriptor reads the rest.
start() {
  local name=$1
  shift
  mkfifo "$work/$name"
  "$@" >"$work/$name" 2>"$work/$name.log" &
  started+=($!)
  exec {descriptor}<"$work/$name"
  if ! read -r -t 20 first <&"$descriptor"; then
    cat "$work/$name.log" >&2
    fail "$name did not start"
  fi
}

start sink /usr/bin/python3 "$sink"
mail_port=$first
mail=$descriptor
start errandd "$bin/errandd" --listen=127.0.0.1:0 --lua_workers=2 \
  --smtp_server="127.0.0.1:$mail_port" --smtp_tls=none --drain_timeout=5s
errandd=${started[-1]}
export ERRAND_SERVER=${first#listening on } PATH=$bin:$PATH
echo "errandd listens on $ERRAND_SERVER; a mail server on 127.0.0.1:$mail_port"

title "1. A script reads its JSON payload, reports progress, returns a result"
show errand run lua report.lua --payload=@orders.json --id=report
echo

title "2. A script that never ends is stopped by its time limit"
code=0
show errand run lua forever.lua --run-timeout=2s --id=forever || code=$?
[[ $code -eq 1 ]] || fail "exit code 1 says that a task failed; this was $code"
echo "(exit code 1: the task failed, the server did not)"

title "3. An e-mail goes out through the mail server"
show errand run email --from=shop@example.com --to=grace@example.com --subject='Your chairs' \
  --text=@mail.txt --id=mail
echo
echo "As it arrived:"
line=
until [[ $line == "----- end -----" ]]; do
  IFS= read -r -t 10 line <&"$mail" || fail "the mail did not arrive"
  printf '  | %s\n' "$line"
done

title "4. The same tasks, looked up afterwards"
show errand get report
show errand get forever
show errand get mail -o json

title "5. SIGTERM ends the server in good order"
kill -TERM "$errandd"
code=0
wait "$errandd" || code=$?
[[ $code -eq 0 ]] || fail "errandd ended with exit code $code"
echo "errandd ended with exit code 0"

title "What to try next"
cat <<'EOF'
  ./dev run                                            a server on localhost:50051
  build/dev/bin/errand run lua - <<< 'return 6 * 7'    a task of your own
  build/dev/bin/errand submit lua FILE                 hand it over and go; then wait, watch, get, cancel
  build/dev/bin/errand --help                          all that the command does
  grpcurl -plaintext localhost:50051 list              the API, told by the server itself
EOF
