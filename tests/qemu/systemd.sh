# systemd is the first process, and AppArmor is on: kedged is the package's unit. The machine boots twice: after the first boot's tests it is
# rebooted with containers running, and the second boot looks at what became of them.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/opt/busybox

main_pid() {
	systemctl show -p MainPID --value kedged
}

kill_kedged() {
	kill -9 "$(main_pid)"
}

# By itself: Restart=always.
start_kedged() {
	until_true kedge ps
}

is_another() { # pid
	now=$(main_pid)
	[ "$now" != 0 ] && [ "$now" != "$1" ] && kedge ps
}

COUNTER='i=0; while :; do echo "line $i"; i=$((i + 1)); usleep 100000; done'

# Two containers that write numbered lines; what happens to kedged must not happen to them.
make_counters() {
	one=$(make_box box sh -c "$COUNTER")
	other=$(make_box --restart always -m 64m --pids-limit 20 box sh -c "$COUNTER")
	pids="$(state "$one" Pid) $(state "$other" Pid)"
	until_true log_has "$one" '^line 2$'
	until_true log_has "$other" '^line 2$'
}

counters_live_on() {
	same "process ids" "$pids" "$(state "$one" Pid) $(state "$other" Pid)"
	for id in $one $other; do
		kill -0 "$(state "$id" Pid)" || fail "its process is gone"
		until_true log_has "$id" "^line $(($(kedge logs "$id" | wc -l) + 2))\$"
		kedge logs "$id" >/tmp/lines
		awk '$2 != NR - 1 { exit 1 }' /tmp/lines || fail "lines are missing"
	done
	same memory.max 67108864 "$(group_file "$other" memory.max)"
	same pids.max 20 "$(group_file "$other" pids.max)"
}

log_of_unit() {
	journalctl -q --no-pager -u kedged -o cat | grep -q "$1"
}

# ---- the unit ----

unit_is_installed() {
	same "what the package says" "install ok installed" "$(dpkg-query -W -f '${Status}' kedge)"
	same "unit at boot" enabled "$(systemctl is-enabled kedged)"
	same "unit now" active "$(systemctl is-active kedged)"
	same "who may use the socket" "root:kedge 660" "$(stat -c '%U:%G %a' /run/kedge/kedge.sock)"
	same "its watchdog" 1min "$(systemctl show -p WatchdogUSec --value kedged)"
}

unit_stops_and_starts() {
	make_counters
	systemctl stop kedged
	same "unit" inactive "$(systemctl is-active kedged)"
	! kedge ps 2>/dev/null || fail "somebody answers"
	before=$(wc -l <"/var/lib/kedge/containers/$one/container.log")
	sleep 1
	[ "$(wc -l <"/var/lib/kedge/containers/$one/container.log")" -gt "$before" ] || fail "the log stood still without kedged"
	systemctl start kedged
	kedge ps || fail "a started unit does not answer" # Type=notify
	counters_live_on
}

unit_restarts() {
	make_counters
	old=$(main_pid)
	systemctl restart kedged
	is_another "$old" || fail "no other process"
	counters_live_on
}

unit_is_restarted_after_a_crash() {
	make_counters
	old=$(main_pid)
	kill -9 "$old"
	until_true is_another "$old"
	counters_live_on
}

unit_is_restarted_by_the_watchdog() {
	mkdir -p /run/systemd/system/kedged.service.d
	printf '[Service]\nWatchdogSec=6\nLimitCORE=0\n' >/run/systemd/system/kedged.service.d/watchdog.conf
	systemctl daemon-reload
	systemctl restart kedged
	make_counters
	old=$(main_pid)
	sleep 7
	same "a process that is well" "$old" "$(main_pid)"
	kill -STOP "$old"
	until_true is_another "$old"
	log_of_unit 'Watchdog timeout' || fail "$(journalctl -q --no-pager -u kedged -n 20)"
	counters_live_on
	rm -r /run/systemd/system/kedged.service.d
	systemctl daemon-reload
	systemctl restart kedged
}

unit_is_upgraded() {
	make_counters
	old=$(main_pid)
	version=$(dpkg-query -W -f '${Version}' kedge)
	dpkg -i /newer.deb
	same version "$version+newer" "$(dpkg-query -W -f '${Version}' kedge)"
	is_another "$old" || fail "no other process"
	same "what runs" /usr/sbin/kedged "$(readlink "/proc/$(main_pid)/exe")"
	counters_live_on
}

# systemd sets the controllers of the root group as its units need them: containers keep theirs.
unit_changes_of_systemd_leave_limits() {
	make_counters
	systemctl set-property --runtime tests.service CPUWeight=50 IOWeight=50
	systemctl daemon-reload
	systemctl set-property --runtime tests.service CPUWeight= IOWeight=
	systemctl daemon-reexec
	counters_live_on
	id=$(make_box --cpus 0.5 --cpuset-cpus 0 box sleep 300)
	same cpu.max "50000 100000" "$(group_file "$id" cpu.max)"
	same cpuset.cpus 0 "$(group_file "$id" cpuset.cpus)"
}

# ---- AppArmor ----

profile_of() {
	kedge inspect -f '{{.AppArmorProfile}}' "$1"
}

apparmor_confines_by_default() {
	kedge info | grep -q apparmor || fail "$(kedge info)"
	id=$(make_box box sh -c 'cat /proc/self/attr/current; sleep 300')
	same AppArmorProfile kedge-default "$(profile_of "$id")"
	until_true log_has "$id" '^kedge-default (enforce)$'
	kedge kill "$id"
	same "status after a kill" 137 "$(kedge wait "$id")"
	same "with no-new-privileges" "kedge-default (enforce)" "$(run_box --security-opt no-new-privileges box cat /proc/self/attr/current)"
}

# What capabilities and unmasked paths would allow.
apparmor_refuses() {
	tmpfs='mkdir -p /m && mount -t tmpfs none /m'
	! said=$(run_box --cap-add SYS_ADMIN box sh -c "$tmpfs" 2>&1) || fail "it mounted"
	echo "$said" | grep 'Permission denied' || fail "$said"
	run_box --cap-add SYS_ADMIN --security-opt apparmor=unconfined box sh -c "$tmpfs"
	key='echo h >/proc/sysrq-trigger'
	! said=$(run_box --security-opt systempaths=unconfined box sh -c "$key" 2>&1) || fail "it wrote to /proc/sysrq-trigger"
	echo "$said" | grep -i 'Permission denied' || fail "$said"
	run_box --security-opt systempaths=unconfined --security-opt apparmor=unconfined box sh -c "$key"
}

apparmor_allows() {
	run_box --cap-add SYS_PTRACE box sh -c 'echo 65536 >/proc/sys/kernel/shmmni || exit 3; mkdir /d && echo x >/d/f && chown 1:1 /d/f && rm -r /d' ||
		same "status: /proc/sys is read-only" 3 $?
	run_box --privileged box sh -c 'mkdir -p /m && mount -t tmpfs none /m && cat /proc/self/attr/current' | grep '^unconfined'
	id=$(make_box --privileged box sleep 300)
	same AppArmorProfile unconfined "$(profile_of "$id")"
}

apparmor_takes_a_profile() {
	echo 'profile kedge-test flags=(attach_disconnected,mediate_deleted) { file, capability, network, signal, deny /etc/passwd r, }' |
		apparmor_parser -r
	id=$(make_box --security-opt apparmor=kedge-test box sh -c 'cat /proc/self/attr/current /etc/passwd; sleep 300')
	same AppArmorProfile kedge-test "$(profile_of "$id")"
	until_true log_has "$id" '^kedge-test (enforce)$'
	until_true log_has "$id" 'Permission denied'
	! said=$(make_box --name absent --security-opt apparmor=no-such-profile box true 2>&1) || fail "it started"
	echo "$said" | grep 'AppArmor profile "no-such-profile" is not loaded' || fail "$said"
	same "a state of what did not start" created "$(state absent Status)"
}

apparmor_holds_for_health_checks() {
	id=$(make_box --health-cmd 'grep -q kedge-default /proc/self/attr/current' --health-interval 1s --health-retries 1 box sleep 300)
	until_true is_state "$id" Health.Status healthy
}

apparmor_is_loaded_again() {
	echo 'profile kedge-default {}' | apparmor_parser -R
	! grep -q '^kedge-default ' /sys/kernel/security/apparmor/profiles || fail "it is still there"
	same "profile after it was unloaded" "kedge-default (enforce)" "$(run_box box cat /proc/self/attr/current)"
}

# ---- the machine goes down and comes up ----

TRAPS='trap "echo TERM; exit 0" TERM; trap "echo USR1; exit 6" USR1; echo up; while :; do usleep 200000; done'

make_for_reboot() { # name, options
	name=$1
	shift
	make_box --name "$name" "$@" box sh -c "$TRAPS"
	until_true log_has "$name" up
}

leave_for_reboot() {
	RUNTIME=crun
	make_for_reboot always --restart always
	make_for_reboot usr1 --restart unless-stopped --stop-signal USR1
	make_for_reboot failing --restart on-failure --stop-signal USR1
	make_for_reboot never --stop-signal USR1
	make_for_reboot stopped --restart unless-stopped
	kedge stop stopped
	make_for_reboot vanishing --rm
	make_box --name deaf --restart always --stop-timeout 1 box sh -c 'trap "" TERM; echo up; while :; do sleep 1; done'
	until_true log_has deaf up
	touch /var/lib/rebooted
	systemctl reboot
}

ups() { # name, count
	[ "$(kedge logs "$1" | grep -c '^up$')" = "$2" ]
}

boot_starts_by_policy() {
	for name in always usr1 failing deaf; do
		until_true is_state "$name" Status running
		until_true ups "$name" 2
	done
	same never exited "$(state never Status)"
	same stopped exited "$(state stopped Status)"
	ups never 1 && ups stopped 1 || fail "one was started that should not have been"
	! kedge inspect vanishing 2>/dev/null || fail "one with --rm is left"
}

# Each had its own stop signal, and its end is what it made of it: nobody was simply gone.
boot_came_after_stops_in_order() {
	same "never's status" 6 "$(state never ExitCode)"
	log_has always TERM || fail "$(kedge logs always)"
	for name in usr1 failing never; do
		log_has $name USR1 || fail "$name: $(kedge logs $name)"
	done
	same "TERM where USR1 is wanted" 0 "$(kedge logs usr1 | grep -c TERM)"
}

boot_has_the_unit() {
	same "unit" active "$(systemctl is-active kedged)"
	same "failed units" '' "$(systemctl --failed --no-legend --plain | grep kedge || true)"
}

# ---- which boot it is ----

first_boot() {
	echo "GUEST UP"
	dpkg -i /kedge.deb || return
	start_kedged
	kedge load -qi /busybox.tar
	run_all apparmor "$RUNTIMES"
	run_all unit crun
	run_all test "$CORE_RUNTIMES"
	journalctl -q --no-pager -u kedged -o cat | sed 's/^/LOG /'
	leave_for_reboot
}

# What is looked at stays until all have looked.
second_boot() {
	printf '\nGUEST BACK\n' # after what the firmware draws
	start_kedged
	for name in $(sed -n 's/^\(boot_[a-z_0-9]*\)() {$/\1/p' "$0"); do
		(set -e && "$name") >/tmp/said 2>&1 && echo "RESULT $name ok 0" && continue
		echo "RESULT $name failed 0"
		cat /tmp/said
	done
	journalctl -q --no-pager -u kedged -o cat | sed 's/^/LOG /'
	systemctl poweroff
}

. /settings
if [ -e /var/lib/rebooted ]; then
	second_boot
else
	first_boot || systemctl poweroff
fi
