#!/usr/bin/env bash
# Run the tests of limits under cgroups of version 2, whatever this machine has:
#
#   cgroup2.sh [WHICH [TESTS]]
#
# WHICH is a pattern of the names of the parts below, TESTS one of the tests in them.
#
# A guest of User-Mode Linux boots this machine's own file system, read-only, with
# all controllers in the unified hierarchy, and runs tests that were built here: as
# root; as a user to whom a cgroup is delegated, as systemd does it; and as one without.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

# What runs in the guest.

user=65534

# asked says whether the part of that name is wanted.
asked() { [[ $1 =~ $which ]]; }

# run runs a test binary in the directory of its package.
run() {
    local name=$1 package=$2 status=0
    shift 2
    asked "$name" || return 0
    echo "--- $name"
    (cd "$work/$package" && "$@") || status=$?
    echo "--- $name: $([ $status = 0 ] && echo passed || echo "FAILED ($status)") after $(cut -d. -f1 /proc/uptime) s"
    [ $status = 0 ] || failed+=" $name"
}

# doctor holds what `fringe doctor` says of the limits against what is expected.
doctor() {
    local name=$1 want=$2 said
    shift 2
    asked "$name" || return 0
    echo "--- $name"
    said=$("$@" "$work/fringe" doctor --dir "/tmp/doctor-$name" 2>&1) || true
    echo "$said"
    grep -qE "$want" <<<"$said" || failed+=" $name"
    case $want in ok*) [ "$(grep -cE '^ok +(memory|cpu|pids) limit +by the cgroup' <<<"$said")" = 3 ] || failed+=" $name" ;; esac
}

# within CGROUP COMMAND: runs the command as the user, born in the cgroup.
within() {
    local group=$1
    shift
    sh -c "echo \$\$ >$group/cgroup.procs"' && exec "$@"' sh setpriv --reuid $user --regid $user --clear-groups \
        env HOME=/tmp/home TMPDIR=/tmp/home "$@"
}

# delegated COMMAND: runs the command as the user in a new scope, as
# `systemd-run --user --scope -p Delegate=yes` does.
delegated() {
    local scope=$slice/run-$BASHPID.scope
    setpriv --reuid $user --regid $user --clear-groups mkdir $scope
    within $scope "$@"
}

# manager makes the cgroups of a user as systemd has them: the manager's is the
# user's own, with controllers enabled above it; in it the user makes scopes.
manager() {
    local dir=/sys/fs/cgroup
    for part in user.slice "user-$user.slice" "user@$user.service"; do
        echo '+cpu +memory +pids' >$dir/cgroup.subtree_control
        dir=$dir/$part
        mkdir $dir
    done
    chown $user:$user $dir $dir/cgroup.{procs,threads,subtree_control}
    setpriv --reuid $user --regid $user --clear-groups sh -e -c "
        mkdir $dir/init.scope
        echo '+cpu +memory +pids' >$dir/cgroup.subtree_control
        mkdir $dir/app.slice
        echo '+cpu +memory +pids' >$dir/app.slice/cgroup.subtree_control"
    slice=$dir/app.slice
    # What is the user's by login only is not delegated.
    session=/sys/fs/cgroup/user.slice/user-$user.slice/session-1.scope
    mkdir $session
}

# begin makes the guest's machine.
begin() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t tmpfs -o mode=0755 tmpfs /run
    mkdir -p $work /dev/shm /dev/pts
    mount --bind "$here/bin/cgroup2" $work
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount -t devpts devpts /dev/pts
    mount -t tmpfs -o mode=1777 tmpfs /tmp
    mount -t tmpfs -o mode=0700 tmpfs /root
    mount -t cgroup2 none /sys/fs/cgroup
    /sbin/insmod "/usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko"
    ip link set lo up
    mkdir -m 0700 /tmp/home
    chown $user:$user /tmp/home
    echo "Linux $(uname -r), controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
    ulimit -c 0
}

guest() {
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
    work=/run/cgroup2 failed=
    flags=(-test.v -test.timeout 30m -test.run "${CGROUP2_TESTS:-.}")
    begin
    manager
    doctor doctor-root '^ok +cgroups +version 2' env
    doctor doctor-delegated '^ok +cgroups +version 2' delegated
    doctor doctor-session '^MISS +cgroups +none that this process may use: the cgroup .* is not delegated to this user' within $session
    run process driver/process $work/process.test "${flags[@]}"
    run process-delegated driver/process delegated $work/process.test "${flags[@]}"
    run fork driver/fork $work/fork.test "${flags[@]}"
    run fork-delegated driver/fork delegated $work/fork.test "${flags[@]}"
    run site site $work/site.test "${flags[@]}"
    if [ -z "$failed" ]; then echo "cgroup2: passed"; else echo "cgroup2: FAILED:$failed"; fi
}

if [ "${CGROUP2_GUEST:-}" ]; then
    which=$CGROUP2_GUEST
    guest || echo "cgroup2: FAILED: the guest"
    echo o >/proc/sysrq-trigger
    sleep 60
fi

# What runs here.

packages=(user-mode-linux kmod iproute2 util-linux)
lacking=()
for p in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || lacking+=("$p")
done
if [ ${#lacking[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    echo "cgroup2: installing ${lacking[*]}"
    "${as_root[@]}" apt-get -qq update || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${lacking[@]}" </dev/null
fi

cd "$here"
work=bin/cgroup2
rm -rf $work
mkdir -p $work
export CGO_ENABLED=0
for package in driver/process driver/fork site; do
    mkdir -p $work/$package
    go test -c -trimpath -o "$work/$(basename $package).test" ./$package
done
go build -trimpath -o $work/fringe ./cmd/fringe
cp -r python testdata functions environments $work/
[ ! -d site/testdata ] || cp -r site/testdata $work/site/
find $work -name '*.go' -delete # they are not packages there
chmod -R go+rX $work

# The memory of the guest is a file in the first directory of this kind that has room.
timeout "${CGROUP2_TIME:-5400}" linux.uml mem="${CGROUP2_MEM:-3072M}" rootfstype=hostfs rootflags=/ ro \
    init="$here/scripts/cgroup2.sh" CGROUP2_GUEST="${1:-.}" CGROUP2_TESTS="${2:-.}" quiet con=null con0=fd:0,fd:1 </dev/null 2>&1 | tee $work/log
grep -q '^cgroup2: passed' $work/log
