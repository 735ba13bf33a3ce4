# The clock jumps by ten years, forward and back, while containers run: what counts time goes on as if nothing had happened, and what needs
# the wall clock says so. Each function clock_* runs with the clock right, and may leave it wrong.
DECADE=315576000
BEGIN=$(($(date +%s) - $(cut -d . -f 1 /proc/uptime)))

jump() { # seconds
	date -s "@$(($(date +%s) + $1))"
}

set_right() {
	date -s "@$((BEGIN + $(seconds)))" >/dev/null
}

# Runs a function with the word "forward", then, with the clock right again, with "back".
both_ways() { # function
	for way in $DECADE -$DECADE; do
		set_right
		echo "jump by $way:"
		"$1" "$way"
	done
}

restarts() { # id, at least
	[ "$(kedge inspect -f '{{.RestartCount}}' "$1")" -ge "$2" ]
}

# The sixth delay is 3.2 seconds: it neither ends at once nor in ten years.
restart_after_jump() {
	id=$(make_box --restart always box false)
	until_true restarts "$id" 5
	jump "$1"
	begin=$(seconds)
	until_true restarts "$id" 6
	took=$(($(seconds) - begin))
	[ $took -ge 2 ] || fail "the delay was over after $took seconds"
}

clock_restart_delays() {
	both_ways restart_after_jump
}

# ten seconds of life make the delay short again: a jump is no life
clock_jump_is_no_life() {
	id=$(make_box --restart always box sleep 1)
	for count in 1 2 3 4; do
		until_true restarts "$id" $count
		set_right
		jump $DECADE
	done
	begin=$(seconds)
	until_true restarts "$id" 6
	[ $(($(seconds) - begin)) -ge 3 ] || fail "the delay began anew"
}

stop_during_jump() {
	id=$(make_box box sh -c 'trap "" TERM; echo up; while :; do sleep 1; done')
	until_true log_has "$id" up
	begin=$(seconds)
	kedge stop -t 4 "$id" &
	sleep 1
	jump "$1"
	wait
	took=$(($(seconds) - begin))
	[ $took -ge 3 ] || fail "killed after $took seconds"
	[ $took -lt 30 ] || fail "killed after $took seconds only"
	same ExitCode 137 "$(state "$id" ExitCode)"
}

clock_stop_timeout() {
	both_ways stop_during_jump
}

probes_go_on() { # pid
	jump "$1"
	touch "/proc/$pid/root/down"
	until_true is_state "$id" Health.Status unhealthy
	rm "/proc/$pid/root/down"
	until_true is_state "$id" Health.Status healthy
}

clock_health() {
	id=$(make_box --health-cmd 'test ! -e /down' --health-interval 1s --health-timeout 20s --health-retries 1 box sleep 300)
	pid=$(state "$id" Pid)
	until_true is_state "$id" Health.Status healthy
	both_ways probes_go_on
}

probe_failed() { # id
	kedge inspect "$1" | grep '"ExitCode": 9'
}

clock_health_start_period() {
	id=$(make_box --health-cmd 'exit 9' --health-interval 1s --health-retries 1 --health-start-period 1h box sleep 300)
	until_true probe_failed "$id"
	jump $DECADE
	begin=$(date -u +%Y)
	until_true eval "kedge inspect $id | grep '\"Start\": \"$begin-'"
	same "health in its start period" starting "$(state "$id" Health.Status)"
}

follow_over_jump() {
	last=$(tail -n 1 /tmp/followed | cut -d ' ' -f 2)
	jump "$1"
	until_true grep "^line $((last + 10))\$" /tmp/followed
}

clock_logs_are_followed() {
	id=$(make_box box sh -c 'i=0; while :; do echo "line $i"; i=$((i + 1)); usleep 100000; done')
	kedge logs -f "$id" >/tmp/followed &
	follower=$!
	until_true grep '^line 5$' /tmp/followed
	both_ways follow_over_jump
	kill $follower
	awk '$2 != NR - 1 { exit 1 }' /tmp/followed || fail "lines are missing"
}

# A jump back leaves lines of the future behind: they are shown too, none that was asked for is not.
since_after_jump() {
	jump "$1"
	year=$(date -u +%Y)
	kedge kill -s USR1 "$id"
	until_true eval "kedge logs --since 1m $id | grep 'USR1 at $year'"
	until_true eval "kedge logs -t $id | grep '^$year-.*USR1 at $year'"
	same "lines since tomorrow of $year" 0 "$(kedge logs --since "$((year + 1))-12-31T00:00:00Z" "$id" | grep -c "at $year")"
}

clock_logs_since() {
	id=$(make_box box sh -c 'trap "echo USR1 at \$(date -u +%Y)" USR1; echo up; while :; do usleep 200000; done')
	until_true log_has "$id" up
	both_ways since_after_jump
}

says_up() { # id, pattern
	kedge ps --no-trunc --format '{{.ID}} {{.Status}}' | grep "^$1 Up $2"
}

up_after_jump() {
	jump "$1"
	says_up "$id" '.*\(second\|minute\)' || fail "$(kedge ps)"
	kill_kedged
	start_kedged
	until_true says_up "$id" '.*\(second\|minute\)'
	same Pid "$pid" "$(state "$id" Pid)"
}

clock_age_of_a_container() {
	id=$(make_box --restart always box sleep 300)
	pid=$(state "$id" Pid)
	both_ways up_after_jump
	same RestartCount 0 "$(kedge inspect -f '{{.RestartCount}}' "$id")"
}

clock_events_are_followed() {
	kedge events --format '{{.Action}}' >/tmp/events &
	follower=$!
	until_true eval 'run_box box true; grep -q die /tmp/events'
	for way in $DECADE -$DECADE; do
		set_right
		jump "$way"
		run_box --name "jumped$way" box true
		until_true eval 'run_box box true; [ $(grep -c die /tmp/events) -ge 3 ]'
	done
	kill $follower
}

pull() {
	kedge rmi -f "$REGISTRY/box:1" >/dev/null 2>&1
	kedge pull "$REGISTRY/box:1" 2>&1
}

refused_pull() { # jump, reason
	jump "$1"
	year=$(date -u +%Y)
	! said=$(pull) || fail "it pulled"
	echo "$said"
	echo "$said" | grep "TLS certificate $2: this device's clock says $year-" || fail "no reason"
	echo "$said" | grep -i "hint: check this device's clock" || fail "no hint"
	set_right
}

clock_pull_by_tls() {
	pull || fail "with the right clock"
	refused_pull $DECADE "has expired"
	refused_pull -$DECADE "is not yet valid"
	pull || fail "with the right clock again"
}

# ---- all of them ----

run_clock() {
	for name in $(sed -n 's/^\(clock_[a-z_0-9]*\)() {$/\1/p' "$0"); do
		set_right
		run_one "$name" "$name"
	done
	set_right
}

has_registry() {
	kedge push "$REGISTRY/box:1"
}

. /settings
ip addr add "${REGISTRY%:*}/32" dev lo
docker-registry serve "$REGISTRY_CONFIG" >/tmp/registry.log 2>&1 &
start_kedged
kedge load -qi /busybox.tar
kedge tag box "$REGISTRY/box:1"
RUNTIME=crun
until_true has_registry
run_clock
sed 's/^/LOG /' /tmp/kedged.log
