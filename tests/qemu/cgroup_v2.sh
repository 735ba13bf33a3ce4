start_kedged
kedge load -qi /busybox.tar || cat /tmp/kedged.log
run_all test "crun runc"
sed 's/^/LOG /' /tmp/kedged.log
