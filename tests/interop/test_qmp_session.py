#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_qmp_session.py - one session, word for word, with QEMU 7.2 and with a guest of ours.

What both answer is compared: errors by class and text, results by keys and types all the way
down, settings by value, events by their order.  What is ours alone has to be under "x-godwit".
"""
import contextlib
import json

import check
import sessions
from peers import scratch
from sessions import same_shape, story

NEGOTIATE = '{"execute": "qmp_capabilities"}'

# So slow that a migration stays as it is until it is told otherwise.
CRAWL = 2000


@contextlib.contextmanager
def both(directory, incoming=None):
    """A QEMU and a guest of ours, ready for commands."""
    with sessions.qemu(directory, 'theirs', incoming) as theirs, \
            sessions.godwit(directory, 'ours', incoming) as ours:
        for peer in (theirs, ours):
            peer.say(NEGOTIATE)
        yield theirs, ours


def compare(theirs, ours, line, newer=()):
    """The same line to both: the same refusal or an answer of the same shape."""
    seen, expected = ours.say(line), theirs.say(line)
    if 'error' in expected:
        check.equal(seen.get('error', seen), expected['error'], line)
        check.equal(seen.keys(), expected.keys(), f'keys of the answer to {line}')
    else:
        same_shape(expected, seen, line, newer)
    return expected, seen


def execute(command, arguments=None):
    message = {'execute': command}
    if arguments is not None:
        message['arguments'] = arguments
    return json.dumps(message)


# ---- the protocol itself ----

BEFORE_NEGOTIATION = [
    '{"execute": "query-status"}',
    '{"execute": "nosuch"}',
    NEGOTIATE,
    NEGOTIATE,
]

PROTOCOL = [
    '{"execute": "nosuch"}',
    '{"execute": "query-status", "id": 7}',
    '{"execute": "query-status", "id": {"a": [1]}}',
    '{"execute": "nosuch", "id": "x"}',
    '{"execute": 1}',
    '{"arguments": {}}',
    '{"execute": "query-status", "arguments": 1}',
    '{"execute": "query-status", "arguments": []}',
    '{"execute": "query-status", "arguments": {"x": 1}}',
    '{"execute": "query-status", "x": 1}',
    '[]',
    '1',
    '"x"',
    'null',
]

QUERIES = ['query-status', 'query-name', 'query-version', 'query-uuid', 'query-kvm',
           'query-migrate', 'query-commands', 'query-migrate-capabilities', 'stop', 'query-status',
           'stop', 'cont', 'query-status', 'cont', 'migrate_cancel', 'query-migrate']


def a_session_begins_alike():
    with scratch() as directory, sessions.qemu(directory, 'theirs') as theirs, \
            sessions.godwit(directory, 'ours') as ours:
        same_shape(theirs.greeting, ours.greeting, 'greeting')
        for line in BEFORE_NEGOTIATION:
            compare(theirs, ours, line)


def the_protocol_is_answered_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for line in PROTOCOL:
            compare(theirs, ours, line)


def queries_are_answered_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for command in QUERIES:
            expected, seen = compare(theirs, ours, execute(command))
            if command in ('query-status', 'query-migrate', 'query-uuid'):
                check.equal(seen, expected, command)
        same_events(theirs, ours)


# ---- parameters and capabilities ----

WRONG_VALUES = [-1, 256, 1 << 32, 1.5, 'x', '', True, None, [], {}]

# One past each end of a range, and what QEMU 7.2 has and godwit has no use for beyond it.
BEYOND = [
    ('announce-initial', 100001), ('announce-max', 100001), ('announce-rounds', 1001),
    ('announce-step', 0), ('announce-step', 10001), ('compress-level', 10),
    ('compress-threads', 0), ('decompress-threads', 0), ('throttle-trigger-threshold', 0),
    ('throttle-trigger-threshold', 101), ('cpu-throttle-initial', 0),
    ('cpu-throttle-initial', 100), ('cpu-throttle-increment', 0),
    ('cpu-throttle-increment', 100), ('max-cpu-throttle', 19), ('max-cpu-throttle', 100),
    ('downtime-limit', 2000001), ('multifd-channels', 0), ('xbzrle-cache-size', 4095),
    ('xbzrle-cache-size', 12345), ('multifd-compression', 'lz4'), ('nosuch', 1),
    ('multifd_channels', 4),
]

# Both ends of what is honoured.
WITHIN = [
    ('throttle-trigger-threshold', 1), ('throttle-trigger-threshold', 100),
    ('cpu-throttle-initial', 1), ('cpu-throttle-initial', 99), ('cpu-throttle-initial', 20),
    ('cpu-throttle-increment', 1), ('cpu-throttle-increment', 99), ('max-cpu-throttle', 20),
    ('max-cpu-throttle', 99), ('downtime-limit', 0), ('downtime-limit', 2000000),
    ('max-bandwidth', 0), ('max-bandwidth', (1 << 63) - 1), ('multifd-channels', 1),
    ('multifd-channels', 255), ('multifd-compression', 'zlib'), ('multifd-compression', 'zstd'),
    ('multifd-compression', 'none'), ('cpu-throttle-tailslow', True), ('tls-creds', ''),
    ('tls-creds', None),
]

# What several together break, and in which order that is noticed.
SEVERAL = [
    {}, {'max-cpu-throttle': 10, 'cpu-throttle-initial': 5}, {'cpu-throttle-initial': 11},
    {'max-cpu-throttle': 4}, {'nosuch': 1, 'multifd-channels': 'x'},
    {'nosuch': 1, 'multifd-channels': 0}, {'multifd-channels': 0, 'downtime-limit': 2000001},
    {'downtime-limit': 2000001, 'multifd-channels': 256},
    {'multifd-channels': 9, 'announce-max': 100001},
]


def parameters_of(peer):
    return peer.execute('query-migrate-parameters')['return']


def same_parameters(theirs, ours):
    expected, seen = parameters_of(theirs), parameters_of(ours)
    check.equal({name: seen.get(name) for name in expected}, expected, 'parameters')
    check.equal(seen.keys() - expected.keys(), sessions.NEWER_PARAMETERS, 'other parameters')
    return seen


def parameters_are_refused_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for name in same_parameters(theirs, ours):
            for value in WRONG_VALUES:
                # What QEMU takes, because it acts on it or does not look, we may refuse.
                line = execute('migrate-set-parameters', {name: value})
                answer = theirs.say(line)
                if 'error' in answer and name not in sessions.NEWER_PARAMETERS:
                    check.equal(ours.say(line), answer, line)
        for name, value in BEYOND:
            compare(theirs, ours, execute('migrate-set-parameters', {name: value}))


def parameters_are_set_and_read_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for name, value in WITHIN:
            compare(theirs, ours, execute('migrate-set-parameters', {name: value}))
            same_parameters(theirs, ours)
        for arguments in SEVERAL:
            compare(theirs, ours, execute('migrate-set-parameters', arguments))
            same_parameters(theirs, ours)
        check.equal(ours.execute('migrate-set-parameters', **parameters_of(ours)),
                    {'return': {}}, 'writing back what was read')


def levels_apply_where_qemu_forgets_them():
    with scratch() as directory, sessions.godwit(directory, 'ours') as ours:
        ours.say(NEGOTIATE)
        for name, least, most in (('multifd-zlib-level', 0, 9), ('multifd-zstd-level', 0, 20),
                                  ('multifd-qatzip-level', 1, 9)):
            check.equal(ours.execute('migrate-set-parameters', **{name: most}), {'return': {}},
                        name)
            check.equal(parameters_of(ours)[name], most, name)
            answer = ours.execute('migrate-set-parameters', **{name: most + 1})
            check.equal(answer['error']['desc'], f"Parameter '{name.replace('-', '_')}' expects a "
                        f'value between {least} and {most}', name)


EVENTS_ON = {'capability': 'events', 'state': True}

CAPABILITIES = [
    None, {}, {'capabilities': 1}, {'capabilities': []}, {'capabilities': [1]},
    {'capabilities': [{}]}, {'capabilities': [{'capability': 'events'}]},
    {'capabilities': [{'state': True}]}, {'capabilities': [EVENTS_ON, 3]},
    {'capabilities': [{'capability': 'nosuch', 'state': True}]},
    {'capabilities': [{'capability': 'nosuch', 'state': 1}]},
    {'capabilities': [{'capability': 1, 'state': True}]},
    {'capabilities': [{'capability': 'events', 'state': 1}]},
    {'capabilities': [EVENTS_ON | {'x': 1}]}, {'capabilities': [EVENTS_ON], 'x': 1},
    {'capabilities': [EVENTS_ON, {'capability': 'multifd', 'state': True},
                      {'capability': 'return-path', 'state': True},
                      {'capability': 'auto-converge', 'state': True},
                      {'capability': 'pause-before-switchover', 'state': True},
                      {'capability': 'late-block-activate', 'state': True}]},
    {'capabilities': [{'capability': 'xbzrle', 'state': False},
                      {'capability': 'multifd', 'state': False}]},
]


def capabilities_of(peer):
    listed = peer.execute('query-migrate-capabilities')['return']
    return {pair['capability']: pair['state'] for pair in listed}


def capabilities_are_set_and_refused_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for arguments in CAPABILITIES:
            compare(theirs, ours, execute('migrate-set-capabilities', arguments))
            expected, seen = capabilities_of(theirs), capabilities_of(ours)
            check.equal([name for name in seen if name in expected], list(expected), 'order')
            check.equal(seen, expected | dict.fromkeys(sessions.NEWER_CAPABILITIES, False),
                        f'capabilities after {arguments}')


# ---- the human monitor ----

MONITOR_REFUSES = [
    'migrate_set_parameter nosuch 1', 'migrate_set_parameter multifd-channels 0',
    'migrate_set_parameter multifd-channels 256', 'migrate_set_parameter multifd-channels -1',
    'migrate_set_parameter multifd-channels 4k', 'migrate_set_parameter multifd-channels abc',
    'migrate_set_parameter max-bandwidth abc', 'migrate_set_parameter max-bandwidth -1',
    'migrate_set_parameter max-bandwidth 16E', 'migrate_set_parameter max-bandwidth 1.5b',
    'migrate_set_parameter downtime-limit 16E', 'migrate_set_parameter downtime-limit 2000001',
    'migrate_set_parameter cpu-throttle-tailslow 1',
    'migrate_set_parameter multifd-compression lz4', 'migrate_set_parameter max-cpu-throttle 19',
    'migrate_set_parameter xbzrle-cache-size 4097', 'migrate_set_capability nosuch on',
    'migrate_set_capability events maybe', 'migrate_set_capability events',
    'migrate_set_parameter', 'migrate_set_parameter multifd-channels',
    'migrate_set_parameter a b c', 'nosuch', 'info nosuch',
]

MONITOR_SETS = [
    'migrate_set_parameter max-bandwidth 1', 'migrate_set_parameter max-bandwidth 1.1',
    'migrate_set_parameter max-bandwidth 0.3', 'migrate_set_parameter max-bandwidth 4096b',
    'migrate_set_parameter max-bandwidth 2G', 'migrate_set_parameter max-bandwidth 0x10',
    'migrate_set_parameter downtime-limit 1k', 'migrate_set_parameter downtime-limit 0x10',
    'migrate_set_parameter multifd-channels 010', 'migrate_set_parameter multifd-channels 0x10',
    'migrate_set_parameter multifd-compression zstd',
    'migrate_set_parameter cpu-throttle-tailslow yes', 'migrate_set_parameter tls-creds ""',
    'migrate_set_capability events on', 'migrate_set_capability multifd on',
]


def shown(peer, line):
    """The lines that an `info` shows, without QEMU's own switches."""
    lines = peer.monitor(line).splitlines()
    if 'globals:' in lines:
        lines = lines[lines.index('clear-bitmap-shift: 18') + 1:]
    return lines


def the_monitor_shows(theirs, ours, line):
    """All of QEMU's lines, in its order; ours may have more."""
    rest = iter(shown(ours, line))
    for expected in shown(theirs, line):
        check.true(expected in rest, f'"{line}" does not show "{expected}" in its place')


def the_monitor_speaks_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for line in MONITOR_REFUSES:
            check.equal(ours.monitor(line), theirs.monitor(line), f'answer to "{line}"')
        for line in MONITOR_SETS:
            check.equal(ours.monitor(line), theirs.monitor(line), f'answer to "{line}"')
            same_parameters(theirs, ours)
        for line in ('info migrate_parameters', 'info migrate_capabilities', 'info status'):
            the_monitor_shows(theirs, ours, line)


# ---- migrations ----

# QEMU's state is "failed" after a URI that it refused; ours is as it was, so these come last.
REFUSED_WHEN_IDLE = [
    ('migrate', {}), ('migrate', None), ('migrate', {'uri': 3}),
    ('migrate', {'uri': 'unix:x', 'x': 1}), ('migrate-continue', {'state': 'pre-switchover'}),
    ('migrate-continue', {'state': 'foo'}), ('migrate-continue', {}),
    ('migrate-incoming', {'uri': 'tcp:127.0.0.1:0'}), ('migrate-incoming', {}),
    ('migrate', {'uri': 'foo:bar'}), ('migrate', {'uri': ''}),
]


def labels(lines):
    return [line.partition(':')[0] for line in lines]


def same_status(theirs, ours, expected, seen):
    """query-migrate's answers in one state, and `info migrate` after it."""
    check.equal(seen.get('status'), expected.get('status'), 'status')
    same_shape(expected, seen, f"query-migrate ({expected.get('status')})")
    rest = iter(labels(shown(ours, 'info migrate')))
    for label in labels(shown(theirs, 'info migrate')):
        # Of one guest alone: what was written meanwhile.
        if label not in ('dirty pages rate', 'precopy ram', 'downtime ram'):
            check.true(label in rest, f'info migrate does not show "{label}" in its place')


def in_state(theirs, ours, state):
    same_status(theirs, ours, theirs.wait_for(state), ours.wait_for(state))


def migrations_are_refused_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for command, arguments in REFUSED_WHEN_IDLE:
            compare(theirs, ours, execute(command, arguments))


def a_failed_one_looks_alike():
    with scratch() as directory, both(directory) as (theirs, ours):
        for peer in (theirs, ours):
            peer.turn_on('events')
        compare(theirs, ours, execute('migrate', {'uri': f'unix:{directory}/nosuch'}))
        in_state(theirs, ours, 'failed')
        compare(theirs, ours, execute('query-status'))
        same_events(theirs, ours)


def same_events(theirs, ours, device=True):
    """In the same order, of the same shape, up to what query-migrate says."""
    for peer in (theirs, ours):
        status = peer.query().get('status')
        if status:
            peer.wait_for_event(status)
    told = story(ours.events)
    if not device:
        # QEMU 7.2 tells of "device" only with pause-before-switchover; from 10.0 on it always
        # does, and so do we.
        told.remove('device')
    check.equal(told, story(theirs.events), f'events of {ours.name}')
    shapes = {event['event']: event for event in theirs.events}
    for event in ours.events:
        same_shape(shapes[event['event']], event, event['event'])


class Pair:
    """A source and a destination of one kind."""

    def __init__(self, stack, directory, kind, incoming):
        self.source = stack.enter_context(kind(directory, f'{kind.__name__}-source'))
        self.destination = stack.enter_context(
            kind(directory, f'{kind.__name__}-destination', incoming))
        for peer in (self.source, self.destination):
            peer.say(NEGOTIATE)

    def turn_on(self, *capabilities):
        for peer in (self.source, self.destination):
            check.equal(peer.turn_on(*capabilities), {'return': {}}, f'{capabilities}')

    def set(self, **parameters):
        for peer in (self.source, self.destination):
            check.equal(peer.execute('migrate-set-parameters', **parameters), {'return': {}},
                        f'{parameters}')

    def start(self, directory, transport):
        uri = 'tcp:127.0.0.1:0' if transport == 'tcp' else \
            f'unix:{directory}/{self.source.name}.in'
        self.destination.execute('migrate-incoming', uri=uri)
        listening = self.destination.query()
        if transport == 'tcp':
            bound = listening['socket-address'][0]
            uri = f"tcp:{bound['host']}:{bound['port']}"
        check.equal(self.source.execute('migrate', uri=uri), {'return': {}}, 'migrate')
        return listening


@contextlib.contextmanager
def two_pairs(directory, incoming='defer'):
    with contextlib.ExitStack() as stack:
        yield [Pair(stack, directory, kind, incoming)
               for kind in (sessions.qemu, sessions.godwit)]


def a_migration_looks_alike(transport, capabilities, parameters):
    with scratch() as directory, two_pairs(directory) as (theirs, ours):
        listening = []
        for pair in (theirs, ours):
            pair.turn_on('events', *capabilities)
            pair.set(max_bandwidth=CRAWL, **parameters)
            listening.append(pair.start(directory, transport))
        same_shape(*listening, 'query-migrate of the listener')
        in_state(theirs.source, ours.source, 'active')
        in_state(theirs.destination, ours.destination, 'active')
        for line in (execute('migrate', {'uri': 'tcp:127.0.0.1:1'}),
                     execute('migrate-set-capabilities', {'capabilities': [EVENTS_ON]}),
                     execute('migrate-continue', {'state': 'pre-switchover'})):
            compare(theirs.source, ours.source, line)
        for pair in (theirs, ours):
            pair.set(max_bandwidth=1 << 40)
        if 'pause-before-switchover' in capabilities:
            in_state(theirs.source, ours.source, 'pre-switchover')
            for line in (execute('query-status'),
                         execute('migrate-continue', {'state': 'active'}),
                         execute('migrate-continue', {'state': 'pre-switchover'})):
                compare(theirs.source, ours.source, line)
        in_state(theirs.source, ours.source, 'completed')
        in_state(theirs.destination, ours.destination, 'completed')
        for line in (execute('query-status'), execute('migrate', {'uri': 'tcp:127.0.0.1:1'})):
            compare(theirs.source, ours.source, line)
        compare(theirs.destination, ours.destination, execute('query-status'))
        compare(theirs.destination, ours.destination,
                execute('migrate-incoming', {'uri': 'tcp:127.0.0.1:0'}))
        same_events(theirs.source, ours.source, 'pause-before-switchover' in capabilities)
        same_events(theirs.destination, ours.destination)


def a_cancelled_one_looks_alike():
    with scratch() as directory, two_pairs(directory) as (theirs, ours):
        for pair in (theirs, ours):
            pair.source.turn_on('events')
            pair.set(max_bandwidth=CRAWL)
            pair.start(directory, 'unix')
        in_state(theirs.source, ours.source, 'active')
        compare(theirs.source, ours.source, execute('migrate_cancel'))
        in_state(theirs.source, ours.source, 'cancelled')
        expected, seen = compare(theirs.source, ours.source, execute('query-status'))
        check.equal(seen, expected, 'query-status')
        same_events(theirs.source, ours.source)


MIGRATIONS = [
    ('one_channel_unix', 'unix', [], {}),
    ('one_channel_tcp', 'tcp', ['return-path'], {}),
    ('zlib_3_channels', 'tcp', ['multifd', 'return-path'],
     {'multifd_channels': 3, 'multifd_compression': 'zlib'}),
    ('paused_before_switchover', 'unix', ['multifd', 'return-path', 'pause-before-switchover'],
     {'multifd_channels': 2}),
]

if __name__ == '__main__':
    check.run([(function.__name__, function) for function in (
        a_session_begins_alike, the_protocol_is_answered_alike, queries_are_answered_alike,
        parameters_are_refused_alike, parameters_are_set_and_read_alike,
        levels_apply_where_qemu_forgets_them, capabilities_are_set_and_refused_alike,
        the_monitor_speaks_alike, migrations_are_refused_alike, a_failed_one_looks_alike,
        a_cancelled_one_looks_alike)] + [
            (f'a_migration_looks_alike_{name}', a_migration_looks_alike, *arguments)
            for name, *arguments in MIGRATIONS])
