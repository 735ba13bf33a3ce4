start_kedged
kedge load -qi /busybox.tar || cat /tmp/kedged.log

# A port leads to the container, also when another network becomes its way out.
ipv4_published() {
	[ ! -e /proc/sys/net/ipv6 ] || fail "this kernel has IPv6"
	id=$(serve --name one --hostname one -p 8080:80)
	until_true log_has "$id" '^ready$'
	is_answered tcp 8080 one
	kedge network create --subnet 172.30.0.0/24 other
	kedge network connect other one
	kedge network disconnect bridge one
	is_answered tcp 8080 one
	kedge exec one ip route | grep -F 'default via 172.30.0.1' || fail "$(kedge exec one ip route)"
	kedge rm -f one
	is_refused tcp 8080
	kedge network rm other
}

set_up_network
run_all ipv4 crun
sed 's/^/LOG /' /tmp/kedged.log
