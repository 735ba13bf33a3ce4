start_kedged
kedge load -qi /busybox.tar || cat /tmp/kedged.log
run_all test "crun runc"
set_up_network
run_all network crun
sed 's/^/LOG /' /tmp/kedged.log
