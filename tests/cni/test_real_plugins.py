# SPDX-License-Identifier: Apache-2.0
"""Debian's plugins, with traffic."""
import json

import pytest

import http_pair


def bridge(machine, **more):
    return {'type': 'bridge', 'bridge': 'cni0', 'isGateway': True, 'ipMasq': True, 'hairpinMode': True,
            'capabilities': {'ips': True, 'mac': True},
            'ipam': {'type': 'host-local', 'dataDir': str(machine.tmp / 'leases'),
                     'ranges': [[{'subnet': '10.77.0.0/24'}]], 'routes': [{'dst': '0.0.0.0/0'}]}, **more}


def network(machine, *chained, version='1.0.0', **bridge_options):
    machine.write('10-edge.conflist', {'cniVersion': version, 'name': 'edge',
                                       'plugins': [bridge(machine, **bridge_options), *chained]})


PORTMAP = {'type': 'portmap', 'capabilities': {'portMappings': True}}
FIREWALL = {'type': 'firewall', 'backend': 'iptables'}
TUNING = {'type': 'tuning', 'sysctl': {'net.ipv4.conf.eth0.arp_filter': '1'}}
BANDWIDTH = {'type': 'bandwidth', 'capabilities': {'bandwidth': True}}


def leases(machine):
    return sorted(path.name for path in (machine.tmp / 'leases' / 'edge').iterdir() if path.name[0].isdigit())


@pytest.mark.parametrize('version', ['0.3.1', '0.4.0', '1.0.0'])
def test_a_list_of_plugins(machine, version):
    firewall = [] if version == '0.3.1' else [FIREWALL]  # Debian's speaks no older one than 0.4.0
    network(machine, PORTMAP, *firewall, TUNING, version=version)
    answer = machine.drive('--port', '8080:80', 'add', 'edge')
    assert 'error' not in answer, answer
    result = answer['result']
    assert result['cniVersion'] == version
    assert result['ips'][0]['address'] == '10.77.0.2/24' and result['ips'][0]['gateway'] == '10.77.0.1'
    assert ('version' in result['ips'][0]) == (version != '1.0.0')
    assert machine.container_links() == ['eth0', 'lo']
    assert machine.in_container('cat /proc/sys/net/ipv4/conf/eth0/arp_filter').strip() == '1'
    machine.in_host('busybox ping -c 1 -W 5 10.77.0.2')
    assert http_pair.fetch(machine, 'http://10.77.0.1:8080/') == 'served'
    assert ('10.77.0.2' in machine.in_host('iptables -S')) == bool(firewall)
    assert leases(machine) == ['10.77.0.2']

    assert machine.drive('del', 'edge') == {}, machine.log
    assert machine.container_links() == ['lo'] and machine.links() == ['cni0', 'lo']
    assert leases(machine) == [] and '10.77.0.2' not in machine.in_host('iptables -S; iptables -t nat -S')
    assert not machine.record_path().exists() and not list(machine.records.iterdir())
    assert not machine.link.is_symlink()
    assert machine.drive('del', 'edge') == {}  # again


@pytest.mark.parametrize('version', ['0.3.1', '0.4.0', '1.0.0'])
def test_check(machine, version):
    """Debian's portmap is not asked: it misses IPv6 rules that a network without IPv6 does not have."""
    network(machine, TUNING, BANDWIDTH, *([] if version == '0.3.1' else [FIREWALL]), version=version)
    assert 'result' in machine.drive('--ingress', '1000000', 'add', 'edge'), machine.log
    assert machine.drive('check', 'edge') == {}, machine.log
    machine.in_container('ip addr flush dev eth0')
    answer = machine.drive('check', 'edge')
    if version == '0.3.1':  # which has no CHECK
        assert answer == {}
    else:
        assert answer['error'].startswith('plugin "bridge": '), answer
        assert '"tuning"' not in machine.log  # the first error is the last
    assert machine.drive('del') == {}
    assert machine.drive('check')['kind'] == 'not found'


def test_del_without_a_namespace(machine):
    """Debian's bridge plugin finds what it has to masquerade no more by the interface, which is gone: without ipMasq."""
    network(machine, PORTMAP, FIREWALL, TUNING, BANDWIDTH, ipMasq=False)
    assert 'result' in machine.drive('--port', '8080:80', '--ingress', '1000000', '--egress', '1000000', 'add', 'edge')
    assert machine.drive('del', 'edge', netns=False) == {}, machine.log
    assert leases(machine) == [] and '10.77.0.2' not in machine.in_host('iptables -S; iptables -t nat -S')
    assert not list(machine.records.iterdir())


def test_the_configuration_of_then(machine):
    """Neither CHECK nor DEL needs the file that ADD was done with."""
    network(machine)
    assert 'result' in machine.drive('add', 'edge')
    (machine.config / '10-edge.conflist').unlink()
    assert machine.drive('check') == {} and machine.drive('del') == {}
    assert leases(machine) == [] and machine.links() == ['cni0', 'lo']


def test_what_is_asked_for_is_given(machine):
    network(machine)
    answer = machine.drive('--address', '10.77.0.99', '--mac', '02:11:22:33:44:55', 'add', 'edge')
    assert answer['result']['ips'][0]['address'] == '10.77.0.99/24', answer
    assert json.loads(machine.in_container('ip -j link show eth0'))[0]['address'] == '02:11:22:33:44:55'


def test_what_is_asked_for_without_the_capabilities(machine):
    plugin = bridge(machine)
    del plugin['capabilities']
    machine.write('10-edge.conflist', {'cniVersion': '1.0.0', 'name': 'edge', 'plugins': [plugin]})
    answer = machine.drive('--address', '10.77.0.99', '--mac', '02:11:22:33:44:55', 'add', 'edge')
    assert answer['result']['ips'][0]['address'] == '10.77.0.99/24', answer
    assert json.loads(machine.in_container('ip -j link show eth0'))[0]['address'] == '02:11:22:33:44:55'


def test_one_plugin_of_an_older_version(machine):
    machine.in_host('ip link add up0 type veth peer name down0; ip link set up0 up; ip link set down0 up')
    machine.write('mac.conf', {'cniVersion': '0.4.0', 'name': 'lan', 'type': 'macvlan', 'master': 'up0',
                               'ipam': {'type': 'static', 'addresses': [{'address': '192.168.5.7/24'}]}})
    answer = machine.drive('add', 'lan')
    assert answer['result']['ips'][0]['address'] == '192.168.5.7/24', answer
    assert machine.drive('check', 'lan') == {}, machine.log
    assert json.loads(machine.in_container('ip -d -j link show eth0'))[0]['linkinfo']['info_kind'] == 'macvlan'
    assert machine.drive('del', 'lan') == {} and machine.container_links() == ['lo']


def test_an_error_is_shown_as_the_plugin_said_it(machine):
    network(machine, {'type': 'tuning', 'sysctl': {'net.ipv4.conf.eth0.no_such': '1'}})
    answer = machine.drive('add', 'edge')
    assert answer['error'] == 'plugin "tuning": open /proc/sys/net/ipv4/conf/eth0/no_such: no such file or directory'
    assert machine.container_links() == ['lo'] and leases(machine) == []  # undone, the bridge's part too
    assert not list(machine.records.iterdir())


def test_bandwidth(machine):
    """1 MB at 8 Mbit/s is a second's; a burst of at most a tenth of it goes ahead."""
    network(machine, BANDWIDTH)
    assert 'result' in machine.drive('--ingress', '8000000', '--egress', '8000000', 'add', 'edge')
    assert http_pair.transfer(machine, '10.77.0.2', to_container=True) > 0.7
    assert http_pair.transfer(machine, '10.77.0.2', to_container=False) > 0.7
    assert machine.drive('del', 'edge') == {}
    assert machine.links() == ['cni0', 'lo']  # and no ifb


def test_versions_are_asked_for(machine):
    network(machine, PORTMAP)
    assert machine.drive('verify', 'edge') == {}
    network(machine, {'type': 'no-such'})
    answer = machine.drive('verify', 'edge')
    assert answer['error'].startswith('plugin "no-such" is in none of: '), answer


def test_a_crash_in_the_middle_is_undone(machine):
    """Killed at each step: DEL by the record leaves nothing, and an ADD that finds a record undoes it first."""
    network(machine, PORTMAP, FIREWALL)
    step = 0
    while True:
        step += 1
        machine.drive('--port', '8080:80', 'add', 'edge', env={'KEDGE_FAULT': f'*:{step}:kill'})
        if machine.status == 0:
            break
        if step % 2 == 0:
            assert 'result' in machine.drive('--port', '8080:80', 'add', 'edge'), (step, machine.log)
            assert len(leases(machine)) == 1, step
        assert machine.drive('del') == {}, (step, machine.log)
        assert nothing_is_left(machine), step
    assert step > 9  # a record before each plugin and behind the last, and faults around them
    assert machine.drive('del') == {} and nothing_is_left(machine)


def nothing_is_left(machine):
    taken = machine.tmp / 'leases' / 'edge'
    rules = machine.in_host('iptables -S; iptables -t nat -S')
    return (not taken.exists() or not leases(machine)) and '10.77.0' not in rules and set(machine.links()) <= {'cni0', 'lo'} and \
        machine.container_links() == ['lo'] and (not machine.records.exists() or not list(machine.records.glob('*.json')))
