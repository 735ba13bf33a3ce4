# Published ports, where the kernel has SCTP: a client in a network namespace of its own asks by the host's address.
HOST=192.0.2.1
CLIENT=192.0.2.2

# iproute2's: this shell takes busybox's by itself.
ip() {
	/sbin/ip "$@"
}

set_up_network() {
	while read -r module; do
		insmod "$module" || echo "LOG $module"
	done </lib/modules/network
	ip netns add client
	ip link add client type veth peer name host netns client
	ip addr add $HOST/24 dev client
	ip link set client up
	ip -n client addr add $CLIENT/24 dev host
	ip -n client link set host up
}

serve() { # options of a container that answers at port 80
	kedge run -d --runtime "$RUNTIME" -v /bin/peer:/peer:ro "$@" box /peer 80
}

ask() { # protocol, port
	ip netns exec client ask "$1" $HOST "$2" 2>&1
}

# The client is answered, by this container, and seen by its own address.
is_answered() { # protocol, port, name
	said=$(ask "$1" "$2")
	echo "$said" | grep -Eq "^$3 $CLIENT [0-9]+ 172\." || fail "$1: \"$said\""
}

is_refused() { # protocol, port
	! said=$(ask "$1" "$2") || fail "$1 was answered: $said"
	same "what $1 says" "$1: Connection refused" "$said"
}

published() { # protocol
	id=$(serve --name one --hostname one -p "8080:80/$1")
	until_true log_has "$id" '^ready$'
	is_answered "$1" 8080 one
	same "what kedge port says" "80/$1 -> 0.0.0.0:8080" "$(kedge port one | grep -F 0.0.0.0)"
	! said=$(serve --name other -p "8080:80/$1" 2>&1) || fail "two have one port"
	echo "$said" | grep -F 'port is already allocated: container "one" has it' || fail "$said"
	is_answered "$1" 8080 one
	kedge rm -f one
	is_refused "$1" 8080
	kedge start other
	until_true log_has other '^ready$'
}

network_tcp() {
	published tcp
}

network_udp() {
	published udp
}

network_sctp() {
	published sctp
}

# One port number of three protocols is three ports.
network_protocols_are_apart() {
	serve --name tcp --hostname tcp -p 8080:80/tcp
	serve --name udp --hostname udp -p 8080:80/udp
	serve --name sctp --hostname sctp -p 8080:80/sctp
	for name in tcp udp sctp; do
		until_true log_has $name '^ready$'
	done
	is_answered tcp 8080 tcp
	is_answered udp 8080 udp
	is_answered sctp 8080 sctp
}

# The port is held, and answers, while kedged is dead.
network_outlives_kedged() {
	id=$(serve --name one --hostname one -p 8080:80/sctp)
	until_true log_has "$id" '^ready$'
	kill_kedged
	is_answered sctp 8080 one
	start_kedged
	is_answered sctp 8080 one
	! said=$(serve --name other -p 8080:80/sctp 2>&1) || fail "two have one port"
	echo "$said" | grep -F 'container "one" has it' || fail "$said"
}

# Who has the port outside of kedge keeps it.
network_held_by_a_process() {
	peer 8080 &
	holder=$!
	until_true ip netns exec client ask sctp $HOST 8080
	said=$(serve --name other -p 8080:80/sctp 2>&1) && status=0 || status=$?
	kill $holder
	[ $status != 0 ] || fail "it started"
	echo "$said" | grep -F '8080: bind: address already in use' || fail "$said"
}
