#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first process of a guest: mounts, runs /test, powers off.
mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
ip link set lo up
insmod /lib/modules/overlay.ko
echo "GUEST UP"
sh /test
echo "GUEST DOWN"
poweroff -f
