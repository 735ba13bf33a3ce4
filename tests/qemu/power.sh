# Declared containers on a disk that may lose its power at any moment. A boot tells what it found, offline, in a REPORT; then it works: the
# orders, a script on a disk of their own, say what at. Each step is told before (TRY) and after (DID or REFUSED, REACHED), so that whoever
# cuts the power knows what kedge has said is done.
REGISTRY=127.0.0.1:5000
STORE=/var/lib/kedge
DECLARED=/etc/kedge/containers.d
TRIES=3000

# ---- what is there ----

section() { # name, command that prints it
	echo "SECTION $1"
	shift
	"$@" 2>&1
}

status_of() { # command
	"$@"
	echo "status $?"
}

files_of() { # directory
	cd "$1" && for name in $(ls -A); do
		echo "FILE $name"
		cat "$name"
	done
}

# The name of a tree is the digest of its lines; of one that is not known the lines are told, too.
layers() {
	for layer in "$STORE"/layers/*; do
		lines_of_tree "$layer" >/tmp/lines
		name=$(sha256sum </tmp/lines)
		echo "LAYER ${layer##*/} ${name%% *}"
		[ -e "/known/${name%% *}" ] || head -c 4000 /tmp/lines
	done
}

damaged_blobs() {
	cd "$STORE/blobs/sha256" && find . -type f -exec sha256sum {} + | awk '$2 != "./" $1'
}

complaints() {
	dmesg | grep 'EXT4-fs error'
}

# As declared, or with a pull as the reason why not: there is no registry.
is_settled() {
	kedge get -o json >/tmp/get
	[ "$(grep -c '"file": ' /tmp/get)" = "$(ls "$DECLARED" | wc -l)" ] &&
		[ "$(grep -c '"asDeclared": ' /tmp/get)" = "$(grep -c -e '"asDeclared": true' -e '"reason": "its image is pulled again' /tmp/get)" ] &&
		grep -q '"leaving": \[\]' /tmp/get
}

report() {
	(until_true is_settled)
	echo "REPORT"
	section get kedge get -o json
	section check status_of kedge system check
	section images kedge images --format '{{.Tag}}'
	section containers kedge ps -a --format '{{.Names}}'
	section snapshots status_of kedge snapshots show latest
	section files files_of "$DECLARED"
	section layers layers
	section blobs damaged_blobs
	section filesystem complaints
	section log cat /tmp/kedged.log
	echo "REPORT END"
}

# ---- work ----

told() { # what, command
	what=$1
	shift
	said=$(mktemp) # others may be at work beside it
	echo "TRY $what"
	if "$@" >"$said" 2>&1; then echo "DID $what"; else
		echo "REFUSED $what"
		sed 's/^/SAID /' "$said"
	fi
}

is_reached() { # container, version
	kedge get -o json "$1" >/tmp/one && grep -q '"asDeclared": true' /tmp/one && grep -q "power/app:$2.json" /tmp/one && grep -q '"doing": "nothing"' /tmp/one
}

is_gone() { # container
	! kedge inspect "$1"
}

apply() { # container, version
	cat >/tmp/declaration <<-END
		name: $1
		image: $REGISTRY/power/app:$2.json
		command: [sh, -c, "cd /power && sha256sum -sc sums && exec sleep 1000000"]
		networkMode: none
		stopSignal: KILL
		probation: 300ms
		pullRetries: 0
		pullInterval: 2s
	END
	told "apply $1 $2" kedge apply -f /tmp/declaration
	(until_true is_reached "$1" "$2") && echo "REACHED $1 $2"
}

delete() { # container
	told "delete $1" kedge delete "$1"
	(until_true is_gone "$1") && echo "GONE $1"
}

pull() { # version
	told "pull $1" kedge pull -q "$REGISTRY/power/app:$1.json"
}

rmi() { # version
	told "rmi $1" kedge rmi "$REGISTRY/power/app:$1.json"
}

# What a check must find.
damage() { # path in the store, may be a pattern
	for path in "$STORE"/$1; do
		printf X | dd of="$path" bs=1 seek=100 conv=notrunc 2>/dev/null
	done
}

# ---- a boot ----

start_registry() {
	httpd -p "$REGISTRY" -h /registry -c /registry/httpd.conf
}

trap 'ps; tail -n 20 /tmp/kedged.log; dmesg | tail -n 5' EXIT # it ends by a failure alone
tr -d '\0' </dev/nvme0n3 >/tmp/orders
. /tmp/orders
mount -t ext4 -o "$MOUNT" /dev/nvme0n2 /data || echo "the disk cannot be mounted"
mkdir -p /data/store /data/etc/containers.d
mount --bind /data/store $STORE
mount --bind /data/etc /etc/kedge
[ -z "$WITHOUT_SYNCS" ] || export LD_PRELOAD=/lib/nosync.so
start_kedged
unset LD_PRELOAD
report
start_registry
echo "WORK"
work
echo "WORK END"
sleep 1000000
