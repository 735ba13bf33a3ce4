# SPDX-License-Identifier: Apache-2.0
"""What plugins are told, in which order, and what becomes of what they say."""
import json
import os
import time

RESULT = {'cniVersion': '1.0.0', 'interfaces': [{'name': 'eth0', 'mac': '02:00:00:00:00:01', 'sandbox': 'x'}],
          'ips': [{'address': '10.9.0.5/24', 'interface': 0}], 'dns': {'nameservers': ['10.9.0.1']}}


def answer(document=None):
    return f"echo '{json.dumps(document or RESULT)}'"


def network(machine, *types, version='1.0.0', **first):
    plugins = [{'type': name} for name in types]
    plugins[0].update(first)
    machine.write('net.conflist', {'cniVersion': version, 'name': 'edge', 'plugins': plugins})


def test_what_plugins_are_told(machine):
    second = {**RESULT, 'ips': RESULT['ips'] + [{'address': 'fd00::5/64'}]}
    machine.fake('one', answer())
    machine.fake('two', answer(second))
    machine.write('net.conflist', {'cniVersion': '0.4.0', 'name': 'edge', 'plugins': [
        {'type': 'one', 'capabilities': {'portMappings': True, 'ips': True, 'mac': True, 'aliases': True, 'io.other': True},
         'own': {'deep': [1, 2]}},
        {'type': 'two', 'capabilities': {'bandwidth': True, 'mac': False}}]})
    told = machine.drive('--port', '8080:80', '--port', '53:5353/udp', '--address', '10.9.0.5', '--mac', '02:00:00:00:00:01', '--alias', 'web',
                         '--ingress', '8000000', '--egress', '100000', 'add', 'edge')
    assert told == {'result': second}, told
    assert machine.drive('check') == {} and machine.drive('del') == {}
    calls = machine.fake_calls()
    assert [call[:2] for call in calls] == [('ADD', 'one'), ('ADD', 'two'), ('CHECK', 'one'), ('CHECK', 'two'), ('DEL', 'two'),
                                            ('DEL', 'one')]
    head = {'cniVersion': '0.4.0', 'name': 'edge'}
    one = {**head, 'type': 'one', 'own': {'deep': [1, 2]}, 'runtimeConfig': {
        'portMappings': [{'protocol': 'tcp', 'hostPort': 8080, 'containerPort': 80},
                         {'protocol': 'udp', 'hostPort': 53, 'containerPort': 5353}],
        'ips': ['10.9.0.5'], 'mac': '02:00:00:00:00:01', 'aliases': ['web']}}
    two = {**head, 'type': 'two', 'runtimeConfig': {'bandwidth': {
        'ingressRate': 8000000, 'ingressBurst': 800000, 'egressRate': 100000, 'egressBurst': 524288}}}
    in_04 = {**RESULT, 'cniVersion': '0.4.0', 'ips': [{'version': '4', 'address': '10.9.0.5/24', 'interface': 0}]}
    last = {**in_04, 'ips': in_04['ips'] + [{'version': '6', 'address': 'fd00::5/64'}]}
    assert [call[2] for call in calls] == [one, {**two, 'prevResult': in_04}, {**one, 'prevResult': last}, {**two, 'prevResult': last},
                                           {**two, 'prevResult': last}, {**one, 'prevResult': last}]
    for command in ('ADD', 'CHECK', 'DEL'):
        assert machine.environment('one', command) == {
            'CNI_COMMAND': command, 'CNI_CONTAINERID': 'c' * 64, 'CNI_NETNS': str(machine.link), 'CNI_IFNAME': 'eth0',
            'CNI_ARGS': 'IgnoreUnknown=1', 'CNI_PATH': f'{machine.fakes}:/usr/lib/cni'}


def test_the_namespace_is_at_the_same_path(machine):
    """While a plugin runs, and not after it: ADD, CHECK and DEL see the one that is held open."""
    machine.fake('one', f'stat -L -c %i "$CNI_NETNS" >> {machine.tmp}/inodes; ' + answer())
    network(machine, 'one')
    for verb in ('add', 'check', 'del'):
        machine.drive(verb, 'edge')
        assert not machine.link.is_symlink(), verb
    inode = os.stat(f'/run/netns/{machine.container}').st_ino
    assert (machine.tmp / 'inodes').read_text().split() == [str(inode)] * 3


def test_del_without_a_namespace_has_no_path(machine):
    machine.fake('one', answer())
    network(machine, 'one')
    assert 'result' in machine.drive('add', 'edge')
    assert machine.drive('del', netns=False) == {}
    assert machine.environment('one', 'DEL')['CNI_NETNS'] == ''


def test_before_0_4_0_del_is_told_nothing(machine):
    machine.fake('one', answer({**RESULT, 'cniVersion': '0.3.1', 'ips': []}))
    network(machine, 'one', version='0.3.1')
    assert 'result' in machine.drive('add', 'edge')
    assert machine.drive('check') == {} and machine.drive('del') == {}
    assert [call[0] for call in machine.fake_calls()] == ['ADD', 'DEL']
    assert 'prevResult' not in machine.fake_calls()[1][2]


def test_a_list_that_wants_no_check(machine):
    machine.fake('one', answer())
    machine.write('net.conflist', {'cniVersion': '1.0.0', 'name': 'edge', 'disableCheck': True, 'plugins': [{'type': 'one'}]})
    machine.drive('add', 'edge')
    assert machine.drive('check') == {}
    assert [call[0] for call in machine.fake_calls()] == ['ADD']


def test_what_fails_is_undone_in_reverse_order(machine):
    machine.fake('one', answer())
    machine.fake('two', 'echo "mind you" >&2; [ $CNI_COMMAND = DEL ] || { echo \'{"cniVersion": "1.0.0", "code": 7, "msg": "no way", '
                        '"details": "the reason"}\'; exit 1; }')
    machine.fake('three', answer())
    network(machine, 'one', 'two', 'three')
    told = machine.drive('add', 'edge')
    assert told == {'error': 'plugin "two": no way: the reason', 'kind': 'internal'}
    assert 'CNI plugin "two": mind you' in machine.log
    assert [call[:2] for call in machine.fake_calls()] == [('ADD', 'one'), ('ADD', 'two'), ('DEL', 'two'), ('DEL', 'one')]
    assert machine.fake_calls()[2][2]['prevResult'] == RESULT
    assert not list(machine.records.iterdir())


def test_del_goes_on_where_a_plugin_fails(machine):
    machine.fake('one', f'[ $CNI_COMMAND = ADD ] || [ -e {machine.tmp}/well ] || {{ echo "cannot" >&2; exit 3; }}; ' + answer())
    machine.fake('two', f'[ $CNI_COMMAND = ADD ] || [ -e {machine.tmp}/well ] || {{ echo "{{\\"code\\": 11, \\"msg\\": \\"busy\\"}}"; '
                        'exit 1; }; ' + answer())
    network(machine, 'one', 'two')
    machine.drive('add', 'edge')
    told = machine.drive('del')
    assert told == {'error': 'plugin "two": busy', 'kind': 'unavailable'}
    assert 'plugin "one": exit status 3: cannot' in machine.log
    assert [call[:2] for call in machine.fake_calls()][2:] == [('DEL', 'two'), ('DEL', 'one')]
    assert machine.record_path().exists()  # for another try
    (machine.tmp / 'well').touch()
    assert machine.drive('del') == {} and not machine.record_path().exists()


def test_a_plugin_that_is_not_there(machine):
    machine.fake('one', answer())
    network(machine, 'one', 'missing')
    told = machine.drive('add', 'edge')
    assert told['error'] == f'plugin "missing" is in none of: {machine.fakes}, /usr/lib/cni'
    assert [call[:2] for call in machine.fake_calls()] == [('ADD', 'one'), ('DEL', 'one')]


def test_a_plugin_that_does_not_end(machine):
    """It is killed with what it has started."""
    machine.fake('slow', f'[ $CNI_COMMAND = DEL ] && exit 0; sleep 1000 & echo $! > {machine.tmp}/pid; wait')
    network(machine, 'slow')
    told = machine.drive('add', 'edge', timeout='1s')
    assert told == {'error': 'plugin "slow": no answer within 1 s', 'kind': 'timeout'}
    pid = int((machine.tmp / 'pid').read_text())
    end = time.monotonic() + 20
    while is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as status:
            return status.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


def test_answers_that_are_none(machine):
    for script, words in (
            ('true', 'result of plugin "one": invalid JSON'),
            ('echo {}', 'field "cniVersion" is missing'),
            (answer({'cniVersion': '7.0.0'}), 'field "cniVersion": "7.0.0" is none of 0.3.0, 0.3.1, 0.4.0, 1.0.0'),
            (answer({**RESULT, 'ips': [{'address': '10.9.0.5'}]}), 'field "ips[0].address": "10.9.0.5" is not an address with a prefix'),
            (answer({**RESULT, 'ips': [{'address': '10.9.0.5/24', 'interface': 3}]}), 'there is no interface 3'),
            ('head -c 3000000 /dev/zero | tr "\\0" x', 'its answer is larger than 1048576 bytes'),
            ('echo no JSON; exit 1', 'plugin "one": exit status 1'),
            ('kill -9 $$', 'plugin "one": killed by signal 9 (KILL)')):
        machine.fake('one', f'[ $CNI_COMMAND = DEL ] && exit 0; {script}')
        network(machine, 'one')
        told = machine.drive('add', 'edge')
        assert isinstance(told, dict) and words in told.get('error', ''), (script, told, machine.log)
        assert not list(machine.records.iterdir())


def test_what_is_asked_for_and_not_given(machine):
    machine.fake('one', answer())
    network(machine, 'one', capabilities={'ips': True})
    told = machine.drive('--address', '10.9.0.6', 'add', 'edge')
    assert told['error'] == 'network "edge" did not give the address "10.9.0.6"'
    told = machine.drive('--mac', '02:00:00:00:00:02', 'add', 'edge')
    assert told['error'] == 'network "edge" did not give the MAC address "02:00:00:00:00:02"'
    assert machine.environment('one', 'ADD')['CNI_ARGS'] == 'IgnoreUnknown=1;MAC=02:00:00:00:00:02'
    assert [call[0] for call in machine.fake_calls()] == ['ADD', 'DEL'] * 2


def test_what_no_plugin_can_do(machine):
    machine.fake('one', answer())
    network(machine, 'one')
    file = machine.config / 'net.conflist'
    told = machine.drive('--port', '80:80', 'add', 'edge')
    assert told['error'] == f'network "edge" cannot publish ports: no plugin of "{file}" has the capability "portMappings"'
    told = machine.drive('--egress', '1000', 'add', 'edge')
    assert told['error'] == f'network "edge" cannot limit bandwidth: no plugin of "{file}" has the capability "bandwidth"'
    assert machine.fake_calls() == []


def test_a_plugin_outlives_its_kedged(machine):
    """DEL waits until it has ended, and undoes what it did then."""
    gate = machine.tmp / 'gate'
    os.mkfifo(gate)
    machine.fake('one', f'[ $CNI_COMMAND = DEL ] && exit 0; read line < {gate}; echo ended >> {machine.tmp}/order; ' + answer())
    network(machine, 'one')
    first = machine.start('add', 'edge')
    with open(gate, 'w', encoding='utf-8') as opened:  # waits until the plugin reads
        first.kill()
        first.communicate()
        second = machine.start('del')
        for line in second.stderr:  # its beginning cannot be seen: that it is there is what counts
            if 'waits' in line:
                break
        assert [call[0] for call in machine.fake_calls()] == ['ADD']
        opened.write('go\n')
    output, log = second.communicate(timeout=60)
    assert json.loads(output) == {}, log
    assert [call[0] for call in machine.fake_calls()] == ['ADD', 'DEL']
    assert (machine.tmp / 'order').read_text() == 'ended\n' and not list(machine.records.iterdir())


def test_versions(machine):
    machine.fake('one', answer({'cniVersion': '1.0.0', 'supportedVersions': ['0.3.1', '0.4.0']}))
    network(machine, 'one')
    told = machine.drive('verify', 'edge')
    assert told['error'] == f'plugin "one" speaks 0.3.1, 0.4.0, and not the 1.0.0 of "{machine.config}/net.conflist"'
    assert told['kind'] == 'unsupported'
    network(machine, 'one', version='0.4.0')
    assert machine.drive('verify', 'edge') == {}


def test_files(machine):
    machine.write('10-b.conflist', {'cniVersion': '1.0.0', 'name': 'second', 'plugins': [{'type': 'x'}, {'type': 'y'}]})
    machine.write('05-a.conf', {'cniVersion': '0.3.0', 'name': 'first', 'type': 'x'})
    machine.write('20-c.json', {'cniVersion': '0.4.0', 'name': 'third', 'type': 'x'})
    machine.write('30-again.conf', {'cniVersion': '0.4.0', 'name': 'first', 'type': 'x'})
    machine.write('40-bad.conflist', {'cniVersion': '1.0.0', 'name': 'bad', 'plugins': [{'type': 'x'}, {}]})
    machine.write('50-broken.conf', '{')
    machine.write('60-notes.txt', 'no network')
    machine.write('.hidden.conf', {'cniVersion': '0.4.0', 'name': 'hidden', 'type': 'x'})
    lines = machine.drive('list').splitlines()
    assert lines[:3] == ['first 0.3.0 1', 'second 1.0.0 2', 'third 0.4.0 1']
    assert lines[3] == f'CNI configuration "{machine.config}/30-again.conf": network "first" is in "{machine.config}/05-a.conf" already'
    assert lines[4] == f'CNI configuration "{machine.config}/40-bad.conflist": plugins[1]: field "type" is missing'
    assert lines[5].startswith(f'CNI configuration "{machine.config}/50-broken.conf": invalid JSON: line 1')
    assert len(lines) == 6
