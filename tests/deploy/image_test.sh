#!/usr/bin/env bash
# Builds the container image and does Errand's main job in it, as Kubernetes would run it: an unprivileged
# user without capabilities, no_new_privs, a read-only root, a network and processes of its own.
#
#   image_test.sh BUILD_DIR [--from-source]
#
# The image is docker/Dockerfile's target `prebuilt`, with the binaries of BUILD_DIR; --from-source makes its
# default target instead, which compiles everything again. Its base is made from Debian's packages, so no
# container registry is asked. The user's cache folder keeps the base for a week, BUILD_DIR/deploy the layers under ours.
# The container is made with unshare, not with a runtime: those want control groups, which CI may not give.
set -euo pipefail

build=$(realpath "$1")
target=${2:-prebuilt}
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
source=$(realpath "$here/../..")
work=$build/deploy
image=localhost/errand-deploy-test

skip() {
  echo "SKIPPED: $*"
  exit 77
}

[[ $EUID -eq 0 ]] || skip "only root can make a base and mount an image"
for tool in buildah mmdebstrap unshare chroot ip python3; do
  command -v "$tool" >/dev/null || skip "$tool is not installed (./dev setup test installs it)"
done
unshare --mount --net --pid --fork true 2>/dev/null || skip "this machine allows no namespaces"

mkdir -p "$work"
exec {lock}>"$work/lock"
flock "$lock" # one run at a time: they share the base and the layers

# Where the file system cannot hold overlays (it is one itself), layers are copied.
driver=overlay
store() { buildah --root "$work/storage-$driver" --runroot "$work/run-$driver" --storage-driver "$driver" "$@"; }
store info >/dev/null 2>&1 || driver=vfs

clean_up() {
  store rm --all >/dev/null 2>&1 || true
  store rmi "$image" >/dev/null 2>&1 || true
  rm -rf "$work/context" "$work/run-$driver"
}
trap clean_up EXIT
clean_up # what a killed run left

bud() { store bud --isolation=chroot --format docker --layers "$@" >"$work/bud.log" 2>&1 || { cat "$work/bud.log"; exit 1; }; }

echo "-- base: Debian 12 from its packages"
base=${XDG_CACHE_HOME:-$HOME/.cache}/errand/debian-12.tar
if [[ ! -e $base || -n $(find "$base" -mtime +6) ]]; then
  mkdir -p "${base%/*}"
  mmdebstrap --quiet --variant=apt --format=tar bookworm "$base.$$"
  mv "$base.$$" "$base"
fi
if ! store inspect --type image localhost/errand-base >/dev/null 2>&1; then
  mkdir -p "$work/context"
  ln "$base" "$work/context/base.tar" 2>/dev/null || cp "$base" "$work/context/base.tar"
  printf 'FROM scratch\nADD base.tar /\n' | bud -t localhost/errand-base -f - "$work/context"
  rm -rf "$work/context"
fi

echo "-- image: $target"
arguments=(-t "$image" -f "$source/docker/Dockerfile" --build-arg BASE=localhost/errand-base)
if [[ $target == --from-source ]]; then
  bud "${arguments[@]}" --ignorefile "$source/.dockerignore" "$source"
else
  cmake --install "$build" --strip --prefix "$work/context/usr/local" >"$work/install.log"
  bud "${arguments[@]}" --target prebuilt "$work/context"
fi

echo "-- container"
container=$(store from --pull-never "$image")
root=$(store mount "$container")
# The user, the environment and the commands are the image's, not this test's.
store inspect --type image "$image" >"$work/image.json"
unshare --mount --net --pid --fork --kill-child "$here/in_container.sh" "$root" "$work/image.json" {lock}>&-
