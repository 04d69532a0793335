#!/usr/bin/env bash
# Run the tests of limits under cgroups of version 2, whatever this machine has:
#
#   cgroup2.sh [WHICH [TESTS]]
#
# WHICH is a pattern of the names of the parts below, TESTS one of the tests in them.
#
# For each part a guest of User-Mode Linux boots this machine's own file system, read-only,
# with all controllers in the unified hierarchy, and runs tests that were built here: as
# root; as a user to whom a cgroup is delegated, as systemd does it; and as one without.
# Logs and results are kept in bin/cgroup2: a part that has passed is not run again
# until what it runs has changed, so that a run that was cut goes on where it was.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
parts=(doctor process process-delegated fork fork-delegated site)

# What runs in the guest.

user=65534

# tests runs the test binary of a package in its directory.
tests() {
    local package=$1
    shift
    (cd "$work/$package" && "$@" "$work/$(basename "$package").test" -test.v -test.timeout 60m -test.run "$CGROUP2_TESTS") || failed=yes
}

# doctor holds what `fringe doctor` says of the limits against what is expected.
doctor() {
    local want=$1 said
    shift
    said=$("$@" "$work/fringe" doctor --dir "/tmp/doctor-$BASHPID-$RANDOM" 2>&1) || true
    echo "$said"
    grep -qE "$want" <<<"$said" || failed=yes
    case $want in *ok*) [ "$(grep -cE '^ok +(memory|cpu|pids) limit +by the cgroup' <<<"$said")" = 3 ] || failed=yes ;; esac
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
    mount --bind "$here/bin/cgroup2/guest" $work
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

# guest runs one part.
guest() {
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
    work=/run/cgroup2 failed=
    begin
    manager
    case $1 in
    doctor)
        doctor '^ok +cgroups +version 2' env
        doctor '^ok +cgroups +version 2' delegated
        doctor '^MISS +cgroups +none that this process may use: the cgroup .* is not delegated to this user' within $session ;;
    *-delegated) tests "driver/${1%-delegated}" delegated ;;
    site) tests site env ;;
    *) tests "driver/$1" env ;;
    esac
    [ "$failed" ] || echo "cgroup2: $1 passed"
}

if [ "${CGROUP2_GUEST:-}" ]; then
    guest "$CGROUP2_GUEST" || true
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
which=${1:-.} only=${2:-.}
work=bin/cgroup2/guest
rm -rf $work
mkdir -p $work
export CGO_ENABLED=0
for package in driver/process driver/fork site; do
    mkdir -p $work/$package
    go test -c -trimpath -o "$work/$(basename $package).test" ./$package
done
go build -trimpath -buildvcs=false -o $work/fringe ./cmd/fringe
cp -r python native testdata functions environments $work/
[ ! -d site/testdata ] || cp -r site/testdata $work/site/
find $work -name '*.go' -delete # they are not packages there
find $work -name __pycache__ -prune -exec rm -r {} +
chmod -R go+rX $work
digest=$({ cat "$0"; find $work -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum | cut -c1-16)

# boot runs a part, and records its result. The memory of the guest is a file in
# the first directory of this kind that has room.
boot() {
    local log=bin/cgroup2/$1.log begun=$SECONDS result=FAILED
    timeout "${CGROUP2_TIME:-5400}" linux.uml mem="${CGROUP2_MEM:-3072M}" rootfstype=hostfs rootflags=/ ro \
        init="$here/scripts/cgroup2.sh" CGROUP2_GUEST="$1" CGROUP2_TESTS="$only" quiet con=null con0=fd:0,fd:1 </dev/null 2>&1 | tee "$log" || true
    if grep -q "^cgroup2: $1 passed" "$log"; then result=passed; fi
    echo "$result, $(grep -cE '^ *--- PASS' "$log" || true) tests passed and $(grep -cE '^ *--- FAIL' "$log" || true) failed, in $((SECONDS - begun)) s, of $digest $only" |
        tee "bin/cgroup2/$1.result"
}

failed=0
for part in "${parts[@]}"; do
    [[ $part =~ $which ]] || continue
    if ! grep -q "^passed.* of $digest \.$" "bin/cgroup2/$part.result" 2>/dev/null; then
        echo "cgroup2: $part"
        boot "$part"
    fi
    grep -q ^passed "bin/cgroup2/$part.result" || failed=1
done
for part in "${parts[@]}"; do
    echo "cgroup2: $part: $(cat "bin/cgroup2/$part.result" 2>/dev/null || echo not run)"
done
exit $failed
