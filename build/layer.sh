# Runs a command in an overlay of the host's root, in mount and pid namespaces
# of its own that end with it. The caller is root and has unshared both.
#
# usage: layer.sh WORKDIR UPPER MODE KEEP COMMAND…
#   WORKDIR  scratch on a disk; has root/, work/ and archives/
#   UPPER    the upper directory; on the same file system as WORKDIR
#   MODE     rw: the command may change the upper directory; ro: it may not
#   KEEP     a directory of the host that the command sees, writable; "-" is none
set -eu
cd "$1"; upper=$2; mode=$3; keep=$4; shift 4
copy=
if [ "$mode" = ro ]; then
  # The layer is the upper directory of a read-only overlay: overlayfs refuses
  # a lower directory that lies below another one.
  mount -t overlay overlay -o "ro,lowerdir=/,upperdir=$upper,workdir=work" root
elif ! mount -t overlay overlay -o "lowerdir=/,upperdir=$upper,workdir=work" root 2>/dev/null; then
  # This file system cannot carry an upper directory (it is an overlay itself):
  # the work is done in memory and copied.
  mkdir memory
  mount -t tmpfs tmpfs memory
  mkdir memory/upper memory/work
  mount -t overlay overlay -o "lowerdir=/,upperdir=memory/upper,workdir=memory/work" root
  copy=yes
fi
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount --rbind /sys root/sys
mount -t tmpfs tmpfs root/tmp
mount -t tmpfs tmpfs root/run
mkdir -p root/run/lock
if [ -d /run/systemd/resolve ]; then
  mkdir -p root/run/systemd/resolve
  mount --bind /run/systemd/resolve root/run/systemd/resolve
fi
for f in /etc/resolv.conf /etc/hosts; do
  if [ -f "$f" ] && [ ! -L "root$f" ] && [ -f "root$f" ]; then mount --bind "$f" "root$f"; fi
done
if [ "$mode" = rw ]; then
  mkdir -p root/var/cache/apt/archives
  mount --bind archives root/var/cache/apt/archives
  mkdir -p root/var/cache/apt/archives/partial
  # The index of manual pages, which takes longest, is not made.
  if [ -d root/var/lib/man-db ]; then mount -t tmpfs tmpfs root/var/lib/man-db; fi
  # No service of an installed package starts.
  printf '#!/bin/sh\nexit 101\n' > root/tmp/policy-rc.d
  chmod 755 root/tmp/policy-rc.d
  : > root/usr/sbin/policy-rc.d
  mount --bind root/tmp/policy-rc.d root/usr/sbin/policy-rc.d
fi
if [ "$keep" != - ]; then
  # The way to it may be on another file system, which the overlay does not
  # show, and the overlay is read-only: an empty directory is laid there.
  if [ ! -d "root$keep" ]; then
    above=$keep
    while [ ! -d "root$above" ]; do above=$(dirname "$above"); done
    case $above in /tmp*|/run*) ;; *) mount -t tmpfs tmpfs "root$above" ;; esac
    mkdir -p "root$keep"
  fi
  mount --bind "$keep" "root$keep"
fi
status=0
chroot root /usr/bin/env HOME=/tmp TMPDIR=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" || status=$?
if [ -n "$copy" ] && [ $status = 0 ]; then
  rm -rf memory/upper/var/cache/apt memory/upper/var/lib/apt memory/upper/var/log
  cp -a memory/upper/. "$upper/" || {
    echo "The packages replace or remove files of the machine, and this cannot be kept in a directory that is on an overlay itself. Keep the site's directory on a disk or a volume." >&2
    exit 1
  }
fi
exit $status
