#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_engines.py - godwit engines: formats, engines, devices of hosts that are made up, self-test.

What is found of a device, and the command for it, is src/engines/survey_test.c's; here is what the
command makes of it.
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import DONE, FAILED, check, run, scratch  # noqa: E402

FORMATS = ['none', 'zlib', 'zstd', 'qpl', 'uadk', 'qatzip']
LEVELS = {'zlib': (0, 9), 'zstd': (0, 20), 'qatzip': (1, 9)}
DEVICES = {'qpl', 'qatzip', 'uadk'}
WIDTH = 100


def engines(*arguments):
    """What it found, as JSON."""
    ended = run('engines', *arguments, '--json', '-').expect(DONE)
    check.equal(ended.err, '', f'standard error of {ended}')
    return json.loads(ended.out)


def make(root, files, links=()):
    for path, text in files.items():
        os.makedirs(os.path.dirname(f'{root}/{path}'), exist_ok=True)
        with open(f'{root}/{path}', 'wb') as file:
            file.write(text if isinstance(text, bytes) else text.encode())
    for path, target in links:
        os.makedirs(os.path.dirname(f'{root}/{path}'), exist_ok=True)
        os.symlink(target, f'{root}/{path}')


IAX = 'sys/bus/dsa/devices/iax1'
IAA = {f'{IAX}/state': 'enabled\n', f'{IAX}/pasid_enabled': '1\n',
       f'{IAX}/wq1.0/state': 'enabled\n', f'{IAX}/wq1.0/mode': 'shared\n',
       f'{IAX}/wq1.0/type': 'user\n', f'{IAX}/wq1.0/size': '128\n', 'dev/iax/wq1.0': '',
       'lib/libqpl.so.1': '', 'lib/libaccel-config.so.1': ''}

PCI = 'sys/bus/pci/devices'
PF, VF = f'{PCI}/0000:6b:00.0', f'{PCI}/0000:6b:00.1'
QAT = {f'{PF}/vendor': '0x8086\n', f'{PF}/device': '0x4942\n', f'{PF}/qat/state': 'up\n',
       f'{PF}/qat/cfg_services': 'sym;asym\n', f'{VF}/vendor': '0x8086\n',
       f'{VF}/device': '0x4943\n', 'dev/vfio/9': ''}
QAT_LINKS = [(f'{PF}/driver', '../../drivers/401xx'), (f'{VF}/driver', '../vfio-pci'),
             (f'{VF}/iommu_group', '../../iommu_groups/9')]


# ---- formats and engines ----

def check_engine(engine, encodes):
    for key in ('usable', 'auto', 'reference'):
        check.true(isinstance(engine[key], bool), f'{key}: {engine[key]!r}')
    check.true(engine['usable'] == ('why' not in engine), f'{engine}')
    check.true(engine['usable'] or not engine['auto'], f'{engine}')
    check.equal('levels' in engine, encodes, f'levels of {engine}')


def every_format_has_its_engines():
    formats = engines()['formats']
    check.equal([one['name'] for one in formats], FORMATS, 'formats')
    for one in formats:
        levels = LEVELS.get(one['name'])
        check.equal(one['levels'], levels and {'min': levels[0], 'max': levels[1]}, 'levels')
        check.equal(one.get('default_level'), 1 if levels else None, 'default level')
        if one['name'] == 'none':
            check.equal((one['encoders'], one['decoders']), ([], []), 'engines of none')
            continue
        for key in ('encoders', 'decoders'):
            for engine in one[key]:
                check_engine(engine, key == 'encoders')
            check.equal(sum(engine['auto'] for engine in one[key]), 1, f'taken {key}')
            check.true(all(engine['name'] != 'simulated' for engine in one[key]), 'simulated')
            check.true(any(engine['usable'] and engine['accelerator'] == 'none'
                           for engine in one[key]), f'software among {key} of {one["name"]}')
    devices = {engine['accelerator'] for one in formats for engine in one['encoders']} - {'none'}
    check.equal(devices, DEVICES, 'devices')


def auto_is_what_the_demo_uses():
    """The star in this list and the engine of a migration are one."""
    taken = {one['name']: [engine['name'] for engine in one['encoders'] if engine['auto']]
             for one in engines()['formats']}
    for figures in command.demo('--guest', 'process', '--memory', '8M', '--fill', 'zeros'):
        check.equal(taken[figures['method']] or ['none'], [figures['engine']],
                    f"engine of {figures['method']}")


def lines_of(text):
    for line in text.splitlines():
        check.true(len(line) <= WIDTH or line.startswith('      '),
                   f'{len(line)} columns: {line!r}')
    return text.splitlines()


def table_is_readable():
    text = run('engines').expect(DONE).out
    lines = lines_of(text)
    check.equal(lines[0].split(), ['format', 'level', 'encoders', 'decoders'], 'heading')
    check.equal([line.split()[0] for line in lines[1:7]], FORMATS, 'formats')
    for line in lines[2:7]:
        check.equal(line.count('*'), 2, f'taken in {line!r}')
    for device in DEVICES:
        reasons = [line for line in lines if re.match(rf'  {device} +\S', line)]
        check.true(len(reasons) == (f'({device}' in text), f'{device} has {reasons}')


def simulated_is_shown_when_asked_for():
    for one in engines('--simulate', 'depth=8')['formats']:
        names = [engine['name'] for engine in one['encoders']]
        check.equal('simulated' in names, one['name'] not in ('none', 'zstd'), one['name'])
    zlib = engines('--simulate', 'absent')['formats'][1]['encoders'][-1]
    check.equal((zlib['name'], zlib['usable']), ('simulated', False), 'last of zlib')


# ---- devices ----

def nothing_is_there():
    with scratch() as root:
        for kind in engines('--root', root)['devices']:
            check.equal((kind['items'], kind['findings']), ([], []), kind['kind'])
        text = run('engines', '--root', root).expect(DONE).out
        for line in ('IAA (qpl): none here', 'QAT (qatzip): none here',
                     'Kunpeng ZIP (uadk): none here'):
            check.contains(text, line, 'the text')


def found(root, accelerator):
    """A kind of device, without what this build of godwit lacks."""
    for kind in engines('--root', root)['devices']:
        if kind['accelerator'] == accelerator:
            return kind['items'], [finding for finding in kind['findings']
                                   if finding['id'] != 'not-built']
    raise AssertionError(f'no {accelerator}')


def iaa_in_order():
    with scratch() as root:
        make(root, IAA)
        items, findings = found(root, 'qpl')
        check.equal([(item['kind'], item['name']) for item in items],
                    [('device', 'iax1'), ('queue', 'iax1/wq1.0')], 'items')
        check.equal(items[1]['values']['device_file'], 'accessible', 'device file')
        check.equal(findings, [], 'findings')


def findings_come_with_commands():
    with scratch() as root:
        make(root, IAA | {f'{IAX}/wq1.0/mode': 'dedicated\n'})
        os.remove(f'{root}/lib/libaccel-config.so.1')
        _, findings = found(root, 'qpl')
        check.equal([finding['id'] for finding in findings], ['iaa-dedicated', 'no-library'],
                    'findings')
        check.contains(findings[0]['commands'],
                       'accel-config config-wq iax1/wq1.0 -t 128 -b 1 -m shared -y user '
                       '-n godwit -d user', 'commands')
        check.equal(findings[1]['commands'], ['apt-get install libaccel-config1'], 'commands')
        text = run('engines', '--root', root).expect(DONE).out
        for line in ('  - iax1/wq1.0 is dedicated: QPL sees shared queues only',
                     '        accel-config disable-wq iax1/wq1.0',
                     '        apt-get install libaccel-config1'):
            check.contains(lines_of(text), line, 'lines')


def qat_without_compression():
    with scratch() as root:
        make(root, QAT, QAT_LINKS)
        items, findings = found(root, 'qatzip')
        check.equal([item['values']['driver'] for item in items], ['401xx', 'vfio-pci'],
                    'drivers')
        ids = [finding['id'] for finding in findings]
        check.equal([ids[0], *sorted(ids[1:3])],
                    ['qat-no-compression', 'no-library', 'qat-no-service'], 'findings')
        check.equal(findings[0]['commands'][1],
                    'echo dc >/sys/bus/pci/devices/0000:6b:00.0/qat/cfg_services', 'command')


def hostile_files_are_harmless():
    with scratch() as root:
        make(root, IAA | {f'{IAX}/state': b'\x1b]0;x\x07enabled' * 1000,
                          f'{IAX}/wq1.0/name': b'\xff\xfe\x00"\\', 'sys/bus/dsa/devices/iax': '',
                          f'{IAX}/wq1.0$(id)/size': '1'})
        items, _ = found(root, 'qpl')
        check.equal(len(items), 2, 'items')
        check.equal(items[1]['values']['name'], '\\xff\\xfe\\x00"\\x5c', 'name')
        text = run('engines', '--root', root).expect(DONE).out
        check.true('\x1b' not in text, 'an escape sequence came through')


def root_is_its_own():
    """The end of the option's path does not matter."""
    with scratch() as root:
        make(root, IAA)
        check.equal(engines('--root', f'{root}//')['devices'], engines('--root', root)['devices'],
                    'devices')
        check.equal(engines('--root', '///')['devices'], engines()['devices'], 'devices')


# ---- the self-test ----

def self_test_passes():
    result = engines('--self-test')
    usable = {one['name']: [[engine['name'] for engine in one[key] if engine['usable']]
                            for key in ('encoders', 'decoders')] for one in result['formats']}
    pairs = {(pair['format'], pair['encoder'], pair['decoder'])
             for pair in result['self_test']['pairs']}
    check.equal(pairs, {(name, one, other) for name, (encoders, decoders) in usable.items()
                        for one in encoders for other in decoders}, 'pairs')
    check.true(result['self_test']['passed'], 'it did not pass')
    for pair in result['self_test']['pairs']:
        check.true(pair['passed'] and pair['packets'] == 12 * max(1, len(pair['levels'])),
                   f'{pair}')


def self_test_is_shown():
    text = run('engines', '--self-test', '--simulate', 'busy=50%,corrupt=10%').expect(DONE).out
    rows = [line for line in text.splitlines() if line.endswith(' ok')]
    check.true(len(rows) > 20 and 'FAILED' not in text, f'{text}')
    check.true(any(row.split()[1:3] == ['simulated', 'simulated'] for row in rows), 'simulated')
    check.true(re.search(r'^qpl +decode: simulated \d+ us of processor time a MiB, \S+ \d+ us; '
                         r'\d+ of \d+ units by the device$', text, re.MULTILINE), f'{text}')


def dead_device_is_told():
    ended = run('engines', '--self-test', '--simulate', 'dead-after=0').expect(FAILED)
    check.contains(ended.sentence(), 'simulated, zlib: software computed all', 'the sentence')
    check.contains(ended.out, 'units by the device: the device did nothing', 'the text')


def full_disk_fails():
    with open('/dev/full', 'wb') as full:
        ended = subprocess.run([command.GODWIT, 'engines', '--json', '-'], check=False, text=True,
                               stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                               timeout=command.PATIENCE)
    check.equal((ended.returncode, ended.stderr),
                (FAILED, 'godwit engines: --json -: no space left on device\n'), 'end')


def json_goes_beside_the_text():
    with scratch() as directory:
        check.contains(run('engines', '--json', f'{directory}/f').expect(DONE).out, 'qatzip',
                       'the text')
        with open(f'{directory}/f', encoding='utf-8') as file:
            check.equal(set(json.load(file)), {'formats', 'devices'}, 'keys')


CASES = [
    ('every format has its engines', every_format_has_its_engines),
    ('auto is what the demo uses', auto_is_what_the_demo_uses),
    ('table is readable', table_is_readable),
    ('simulated is shown when asked for', simulated_is_shown_when_asked_for),
    ('nothing is there', nothing_is_there),
    ('IAA in order', iaa_in_order),
    ('findings come with commands', findings_come_with_commands),
    ('QAT without compression', qat_without_compression),
    ('hostile files are harmless', hostile_files_are_harmless),
    ('root is its own', root_is_its_own),
    ('self-test passes', self_test_passes),
    ('self-test is shown', self_test_is_shown),
    ('dead device is told', dead_device_is_told),
    ('full disk fails', full_disk_fails),
    ('JSON goes beside the text', json_goes_beside_the_text),
]

if __name__ == '__main__':
    check.run(CASES)
