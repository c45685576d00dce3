#!/bin/sh
# The tests of the engine's arithmetic on an ARM processor that QEMU plays: sh tests/arm.sh ROOT [TEST ...]
#
# ROOT is the file system of an ARM64 Linux with python3 and its venv, into which the sources are copied and a virtual
# environment is made. Torch is of the last release whose plain wheel for ARM has nothing for GPUs.
set -eu
root=$1
shift
[ $# -gt 0 ] || set -- tests/engines/test_here.py tests/engines/test_places.py tests/engines/test_mathematics.py \
    tests/engines/test_cpu_sizes.py tests/engines/test_cpu_short.py tests/engines/test_cpu_engine.py

skip() {
    echo "test-arm is skipped: $1"
    exit 0
}
[ -e "$root/usr/bin/python3" ] || skip "there is no ARM64 root with python3 in $root (CONTRIBUTING.md says how to make one)"
[ "$(id -u)" = 0 ] || skip "only root can enter $root"
[ "$(chroot "$root" uname -m 2> /dev/null)" = aarch64 ] || skip "no program of ARM64 runs here (install qemu-user-static)"

mkdir -p "$root/ricorda" "$root/proc"
[ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
tar -c --exclude __pycache__ src tests benchmarks pyproject.toml constraints.txt README.md LICENSE | tar -x -C "$root/ricorda"
cp /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" sh -euc '
    cd /ricorda
    if [ ! -e /ricorda/.venv/installed ]; then
        python3 -m venv .venv
        sed "/^torch/d; /^triton/d; /^nvidia/d" constraints.txt > .venv/constraints.txt
        .venv/bin/python -m pip install --quiet --constraint .venv/constraints.txt --editable . torch==2.9.1 hypothesis pytest
        touch .venv/installed
    fi
    exec .venv/bin/python -m pytest "$@"
' sh "$@"
