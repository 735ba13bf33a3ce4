# SPDX-License-Identifier: Apache-2.0
# The core of the container tests, for guests. The script of a guest follows it and says what kedged is there, in start_kedged and
# kill_kedged; run_all gives each function PREFIX_* a shell of its own that ends at the first failure, once with each OCI runtime, and
# prints a line "RESULT function-runtime ok|failed seconds"; what a failed one printed follows.
GROUPS_TOP=/sys/fs/cgroup/kedge

seconds() {
	cut -d . -f 1 /proc/uptime
}

# ---- what the tests say ----

fail() {
	echo "failed: $*"
	exit 1
}

same() { # what, expected, found
	[ "$2" = "$3" ] || fail "$1 is \"$3\" instead of \"$2\""
}

# Runs the words until they succeed; a guest without KVM is slow.
until_true() {
	for _ in $(seq "${TRIES:-150}"); do
		"$@" >/dev/null 2>&1 && return 0
		usleep 100000
	done
	fail "waited in vain for: $*"
}

run_box() { # options and command of one in the foreground
	kedge run --rm --network none --runtime "$RUNTIME" "$@"
}

make_box() { # options and command of a container in the background; prints its id
	kedge run -d --network none --runtime "$RUNTIME" "$@"
}

group_file() { # id, file
	cat "$GROUPS_TOP/$1/$2"
}

state() { # id, field
	kedge inspect -f "{{.State.$2}}" "$1"
}

is_state() { # id, field, value
	[ "$(state "$1" "$2")" = "$3" ]
}

log_has() { # id, pattern
	kedge logs "$1" 2>&1 | grep -q "$2"
}

has_process() { # words
	ps -o args | grep -qFx "$1"
}

nothing_left() {
	[ -z "$(find $GROUPS_TOP -mindepth 1 -type d)" ] && ! pidof kedge-shim && [ -z "$(ls /run/kedge/containers)" ]
}

# ---- tests ----

test_info() {
	kedge info | grep -E '^Cgroup Version: +2$' || fail "$(kedge info)"
	! kedge info 2>&1 | grep -i 'warning' || fail "kedge info warns"
}

test_exit_status() {
	set +e
	said=$(run_box box sh -c 'echo out; exit 7')
	same status 7 $?
	same output out "$said"
	run_box box /nothing/there
	same "status of a missing program" 127 $?
	run_box box /etc
	same "status of a directory" 126 $?
	same "what --rm left" '' "$(kedge ps -aq)"
}

test_memory_is_set_and_seen() {
	id=$(make_box -m 64m --memory-reservation 32m --memory-swap 96m box sh -c 'cat /sys/fs/cgroup/memory.max; sleep 300')
	same memory.max 67108864 "$(group_file "$id" memory.max)"
	same memory.low 33554432 "$(group_file "$id" memory.low)"
	same memory.swap.max 33554432 "$(group_file "$id" memory.swap.max)"
	until_true log_has "$id" '^67108864$'
}

test_memory_is_felt() {
	set +e
	kedge run --name felt --network none --runtime "$RUNTIME" -m 16m --memory-swap 16m box tail -c 100m /dev/zero >/dev/null
	same status 137 $?
	same OOMKilled true "$(state felt OOMKilled)"
	id=$(make_box -m 16m --memory-swap 16m box sh -c 'tail -c 100m /dev/zero >/dev/null; echo "child: $?"')
	same "status after a child's end" 0 "$(kedge wait "$id")"
	log_has "$id" 'child: 137' || fail "$(kedge logs "$id")"
	until_true is_state "$id" OOMKilled true
}

test_other_kills_are_no_oom() {
	id=$(make_box -m 16m box sleep 300)
	kedge kill "$id"
	same status 137 "$(kedge wait "$id")"
	same OOMKilled false "$(state "$id" OOMKilled)"
}

was_throttled() {
	[ "$(sed -n 's/^nr_throttled //p' "$GROUPS_TOP/$1/cpu.stat")" -gt 0 ]
}

test_cpu_is_set_and_felt() {
	id=$(make_box --cpus 0.2 --cpu-shares 512 --cpuset-cpus 1 box sh -c 'while :; do :; done')
	same cpu.max "20000 100000" "$(group_file "$id" cpu.max)"
	same cpu.weight 20 "$(group_file "$id" cpu.weight)"
	same cpuset.cpus 1 "$(group_file "$id" cpuset.cpus)"
	until_true was_throttled "$id"
}

test_pids_are_set_and_felt() {
	id=$(make_box --pids-limit 5 box sh -c 'sh -c "for i in 1 2 3 4 5 6 7; do sleep 300 & done"; exec sleep 300')
	same pids.max 5 "$(group_file "$id" pids.max)"
	until_true log_has "$id" fork
}

# The rule, not a missing capability, refuses: the node is made, and opens where the device was given.
test_devices_are_refused() {
	numbers=$(tr : ' ' </sys/block/nvme0n1/dev)
	read_disk="mknod /disk b $numbers && dd if=/disk of=/dev/null bs=512 count=1"
	! said=$(run_box box sh -c "$read_disk" 2>&1) || fail "the disk could be read"
	echo "$said" | grep 'not permitted' || fail "$said"
	run_box --device /dev/nvme0n1:/dev/disk:rm box sh -c "$read_disk && dd if=/dev/disk of=/dev/null bs=512 count=1"
	! run_box --device /dev/nvme0n1:/dev/disk:r box dd if=/dev/zero of=/dev/disk bs=512 count=0 ||
		fail "the disk could be written"
	run_box box sh -c 'mknod /null c 1 3 && echo >/null && head -c 1 /dev/urandom >/dev/null'
}

# The writer of numbers is still there, within its new limits.
test_update() {
	id=$(make_box -m 64m --memory-swap 96m --cpus 0.5 --pids-limit 50 box sh -c 'while [ ! -e /go ]; do usleep 100000; done
		tail -c 40m /dev/zero >/dev/null; echo "child: $?"; sleep 300')
	kedge update -m 16m --memory-swap 16m --memory-reservation 8m --cpus 0.25 --cpu-shares 512 --cpuset-cpus 1 --pids-limit 9 "$id"
	for run in first second; do
		same "memory.max, $run" 16777216 "$(group_file "$id" memory.max)"
		same "memory.swap.max, $run" 0 "$(group_file "$id" memory.swap.max)"
		same "memory.low, $run" 8388608 "$(group_file "$id" memory.low)"
		same "cpu.max, $run" "25000 100000" "$(group_file "$id" cpu.max)"
		same "cpu.weight, $run" 20 "$(group_file "$id" cpu.weight)"
		same "cpuset.cpus, $run" 1 "$(group_file "$id" cpuset.cpus)"
		same "pids.max, $run" 9 "$(group_file "$id" pids.max)"
		[ $run = second ] || kedge restart -t 0 "$id"
	done
	kill_kedged
	start_kedged
	same "limit for another kedged" 16777216 "$(kedge inspect -f '{{.HostConfig.Memory}}' "$id")"
	touch "/proc/$(state "$id" Pid)/root/go"
	until_true log_has "$id" 'child: 137'
	! kedge update -m 1k "$id" || fail "it took less than a container can live on"
}

holds_memory() {
	[ "$(group_file "$1" memory.current)" -gt 20000000 ]
}

test_stats() {
	id=$(make_box -m 64m box sh -c 'head -c 20m /dev/zero >/dev/shm/x; sleep 300 & while :; do :; done')
	until_true holds_memory "$id"
	said=$(kedge stats --no-stream --format '{{.MemUsage}} {{.PIDs}} {{.CPUPerc}}' "$id")
	echo "$said"
	echo "$said" | grep -E '^2[0-9](\.[0-9]+)?MiB / 64MiB 2 ' || fail "memory and processes"
	! echo "$said" | grep ' 0.00%' || fail "no processor"
}

test_health() {
	id=$(make_box --health-cmd 'test -e /up' --health-interval 1s --health-retries 1 box sh -c 'while sleep 1; do date; done')
	until_true is_state "$id" Health.Status unhealthy
	pid=$(state "$id" Pid)
	touch "/proc/$pid/root/up"
	until_true is_state "$id" Health.Status healthy
}

test_killed_kedged_adopts() {
	id=$(make_box box sh -c 'i=0; while :; do echo "line $i"; i=$((i + 1)); usleep 100000; done')
	pid=$(state "$id" Pid)
	kill_kedged
	before=$(wc -l </var/lib/kedge/containers/"$id"/container.log)
	usleep 500000
	[ "$(wc -l </var/lib/kedge/containers/"$id"/container.log)" -gt "$before" ] || fail "the log stood still without kedged"
	start_kedged
	same pid "$pid" "$(state "$id" Pid)"
	same state running "$(state "$id" Status)"
	kedge logs "$id" >/tmp/lines
	until_true log_has "$id" "^line $(($(wc -l </tmp/lines) + 2))\$"
	kedge logs "$id" | awk '$2 != NR - 1 { exit 1 }' || fail "lines are missing"
	same "statistics after it" 0 "$(kedge stats --no-stream "$id" >/dev/null; echo $?)"
}

is_frozen() {
	[ "$(sed -n 's/^frozen //p' "$GROUPS_TOP/$1/cgroup.events")" = "$2" ]
}

test_pause() {
	id=$(make_box box sh -c 'i=0; while :; do echo "line $i"; i=$((i + 1)); usleep 100000; done')
	until_true log_has "$id" '^line 2$'
	kedge pause "$id"
	same state paused "$(state "$id" Status)"
	is_frozen "$id" 1 || fail "it is not frozen"
	before=$(kedge logs "$id" | wc -l)
	kill_kedged
	start_kedged
	same "state for another kedged" paused "$(state "$id" Status)"
	same "lines while it is paused" "$before" "$(kedge logs "$id" | wc -l)"
	kedge unpause "$id"
	is_frozen "$id" 0 || fail "it is still frozen"
	until_true log_has "$id" "^line $((before + 2))\$"
	kedge pause "$id"
	kedge stop -t 1 "$id"
	same "state after a stop" exited "$(state "$id" Status)"
}

test_end_without_kedged() {
	id=$(make_box box sh -c 'sleep 1; exit 9')
	kill_kedged
	sleep 2
	start_kedged
	until_true is_state "$id" Status exited
	same ExitCode 9 "$(state "$id" ExitCode)"
}

test_restart_policy() {
	id=$(make_box --restart on-failure:2 box sh -c 'exit 3')
	until_true is_state "$id" Status exited
	same RestartCount 2 "$(kedge inspect -f '{{.RestartCount}}' "$id")"
}

test_stop_leaves_no_group() {
	id=$(make_box box sh -c 'trap "exit 4" TERM; sleep 300 & sleep 300 & wait')
	[ -d "$GROUPS_TOP/$id" ] || fail "no group of that name"
	until_true pidof sleep
	kedge stop "$id"
	same ExitCode 4 "$(state "$id" ExitCode)"
	until_true nothing_left
	! pidof sleep || fail "processes are left"
	kedge start "$id"
	[ -d "$GROUPS_TOP/$id" ] || fail "no group after a new start"
	kedge rm -f "$id"
	until_true nothing_left
}

# A container with group namespace and privileges makes groups of its own.
test_groups_within_are_removed() {
	id=$(make_box --privileged box sh -c 'cd /sys/fs/cgroup && mkdir -p a/b c && echo $$ >a/b/cgroup.procs && echo up; sleep 300 & exec sleep 300')
	until_true log_has "$id" up
	[ -d "$GROUPS_TOP/$id/a/b" ] || fail "no group was made: $(kedge logs "$id" 2>&1)"
	kedge stop -t 0 "$id"
	until_true nothing_left
}

test_pid_namespace_of_the_host() {
	id=$(make_box --pid host box sh -c 'sleep 301 & sleep 302')
	until_true has_process 'sleep 301'
	kedge kill "$id"
	kedge wait "$id"
	until_true nothing_left
	! has_process 'sleep 301' || fail "a process is left"
}

# ---- all of them ----

run_one() { # function, label
	begin=$(seconds)
	(set -e && "$1") >/tmp/said 2>&1
	status=$?
	ids=$(kedge ps -aq)
	[ -z "$ids" ] || kedge rm -f $ids >/dev/null
	until_true nothing_left || status=1
	if [ $status = 0 ]; then
		echo "RESULT $2 ok $(($(seconds) - begin))"
	else
		echo "RESULT $2 failed $(($(seconds) - begin))"
		cat /tmp/said
		nothing_left || find $GROUPS_TOP -mindepth 1 -type d
	fi
}

run_all() { # prefix of functions, runtimes
	for RUNTIME in $2; do
		for name in $(sed -n "s/^\($1_[a-z_0-9]*\)() {\$/\1/p" "$0"); do
			run_one "$name" "$name-$RUNTIME"
		done
	done
}
