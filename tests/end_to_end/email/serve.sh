#!/usr/bin/env bash
# Runs a mail server of Debian's on loopback, with its own stock settings, in the foreground; all that it gets is
# accepted and thrown away. It is not installed: its packages lie unpacked in a folder, which is laid over /usr in a mount
# namespace of its own.
#
# usage, as root: unshare --mount --pid --fork --kill-child serve.sh postfix|exim PORT FOLDER PACKAGES
#   FOLDER    for its settings, queue and log; empty
#   PACKAGES  what `./dev setup test` unpacks
set -euo pipefail
server=$1 port=$2 folder=$3 packages=$4

mount -t overlay overlay -o "lowerdir=$packages/usr:/usr" /usr
cp /etc/passwd /etc/group "$folder"
printf '%s\n' postfix:x:64990:64990::/:/usr/sbin/nologin Debian-exim:x:64992:64992::/:/usr/sbin/nologin >>"$folder/passwd"
printf '%s\n' postfix:x:64990: postdrop:x:64991: Debian-exim:x:64992: >>"$folder/group"
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/group" /etc/group
chmod 755 "$folder"

# This shell stays, as the first process of its namespace: a server that gives up being root would outlive its parent.
case $server in
  postfix)
    mkdir "$folder"/{conf,spool,lib}
    chown postfix "$folder/lib"
    cp -r /usr/share/postfix/. "$packages"/etc/postfix/. "$folder/conf"
    sed "s/^smtp  *inet/$port inet/" /usr/share/postfix/master.cf.dist >"$folder/conf/master.cf"
    cat >"$folder/conf/main.cf" <<EOF
compatibility_level = 3.6
config_directory = $folder/conf
meta_directory = $folder/conf
queue_directory = $folder/spool
data_directory = $folder/lib
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test
inet_interfaces = loopback-only
mydestination =
relay_domains = example.net
transport_maps = static:discard:
maillog_file = $folder/log
maillog_file_prefixes = $folder
EOF
    export MAIL_CONFIG=$folder/conf
    postfix -c "$folder/conf" start-fg
    ;;
  exim)
    mkdir "$folder"/{spool,log}
    chown Debian-exim "$folder"/{spool,log}
    cat >"$folder/exim.conf" <<EOF
primary_hostname = mx.test
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = $folder/spool
log_file_path = $folder/log/%slog
local_interfaces = 127.0.0.1
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
discard:
  driver = redirect
  data = :blackhole:
EOF
    exim4 -bdf -oX "$port" -C "$folder/exim.conf"
    ;;
  *)
    echo "there is no mail server '$server'" >&2
    exit 2
    ;;
esac
