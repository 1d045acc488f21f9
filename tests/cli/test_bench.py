#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_bench.py - godwit bench: who is measured, on what, and what is told of it.

No figure that depends on the clock is looked at.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import DONE, FAILED, PROGRAM, USAGE, check, run, scratch  # noqa: E402

FORMATS = ['zlib', 'zstd', 'qpl', 'uadk', 'qatzip']
PAGE = 4096
QUICK = ['--memory', '512K', '--runs', '2']


def bench(*arguments):
    """What is told as JSON, checked for what always has to be so."""
    ended = run('bench', 'engines', '--json', '-', *arguments).expect(DONE)
    check.equal(ended.err, '', f'standard error of {ended}')
    told = json.loads(ended.out)
    data = told['data']
    check.equal((data['normal_pages'] + data['zero_pages']) * PAGE, data['bytes'], 'bytes')
    for comparison in told['comparisons']:
        for row in comparison['rows']:
            row_adds_up(row, data, comparison['rows'])
    return told


def row_adds_up(row, data, rows):
    directions = ['decode'] if row['decoded_only'] else ['encode', 'decode']
    for direction in directions:
        runs = row[direction]['runs']
        check.equal(len(runs), len(rows[0]['decode']['runs'] if direction == 'decode' else
                                   rows[0]['encode']['runs']), 'runs of each in turn')
        for one in runs:
            check.true(one['cpu_s'] > 0 and one['wall_s'] > 0, f'it took time: {one}')
        check.true(row[direction]['cpu_p50_us'] <= row[direction]['cpu_p99_us'], 'percentiles')
    check.equal({one['payload_bytes'] for one in row['decode']['runs']}, {row['payload_bytes']},
                'payload of each run')
    check.true(abs(row['ratio'] * row['payload_bytes'] - data['normal_pages'] * PAGE) < 1,
               f'ratio of {row}')


def rows_of(told, name, level=None):
    return [row for comparison in told['comparisons'] for row in comparison['rows']
            if comparison['format'] == name and level in (None, comparison['level'])]


def every_format_is_measured():
    told = bench(*QUICK, PROGRAM)
    check.equal([comparison['format'] for comparison in told['comparisons']], FORMATS, 'formats')
    for name in FORMATS:
        rows = rows_of(told, name)
        encoders = [row['encoder'] for row in rows if not row['decoded_only']]
        check.equal(len(set(encoders)), len(encoders), f'encoders of {name}')
        check.true(any(not row['reference'] for row in rows), f'{name} has no engine')
        check.true('simulated' not in encoders, 'the simulated device came by itself')
        decoders = [row['decoder'] for row in rows if not row['reference']]
        check.true(len(set(decoders)) > 1 or name == 'zstd', f'decoders of {name}: {decoders}')


def reference_is_first_and_one():
    told = bench(*QUICK, PROGRAM)
    for comparison in told['comparisons']:
        first = comparison['rows'][0]
        check.equal(first['reference'], comparison['no_reference'] is None, 'reference first')
        if first['reference']:
            check.equal(first['against_reference'], {'encode': 1, 'decode': 1, 'bytes': 1},
                        'reference against itself')
        else:
            check.equal(comparison['format'], 'qpl', 'format without reference')
            check.equal(first['against_reference'],
                        {'encode': None, 'decode': None, 'bytes': None}, 'against nothing')


def host_is_told():
    host = bench(*QUICK, '--formats', 'zstd', PROGRAM)['host']
    check.true(host['cpu'] and host['cpus'] > 0 and host['kernel'].startswith('Linux '), host)
    check.equal(sorted(host['libraries']), ['isa-l', 'libdeflate', 'libzstd', 'zlib'], 'libraries')


def bytes_fall_as_levels_rise():
    levels = [1, 3, 9]
    told = bench('--memory', '512K', '--runs', '1', '--levels', ','.join(map(str, levels)),
                 '--formats', 'zlib,zstd,qatzip,qpl', '/usr/bin')
    for name in ('zlib', 'zstd', 'qatzip'):
        chosen = [next(row for row in rows_of(told, name, level) if not row['reference'])
                  for level in levels]
        sizes = [row['payload_bytes'] for row in chosen]
        check.equal(sizes, sorted(sizes, reverse=True), f'bytes of {name} at {levels}')
        check.true(sizes[-1] < sizes[0], f'{name}: level 9 is level 1')
    check.equal([comparison['level'] for comparison in told['comparisons']
                 if comparison['format'] == 'qpl'], [0], 'levels of qpl')


def levels_that_a_format_lacks_are_passed_over():
    told = bench(*QUICK, '--formats', 'zlib,zstd', '--levels', '0,15', PROGRAM)
    check.equal([(comparison['format'], comparison['level'])
                 for comparison in told['comparisons']], [('zlib', 0), ('zstd', 0), ('zstd', 15)],
                'formats and levels')


def zero_pages_are_left_out():
    with scratch() as directory:
        with open(f'{directory}/image', 'wb') as image:
            image.write(b'guest' * PAGE + bytes(3 * PAGE) + b'!' * (2 * PAGE + 100))
        told = bench('--runs', '1', '--formats', 'zstd', '--packet-pages', '4',
                     f'{directory}/image')
        check.equal((told['data']['normal_pages'], told['data']['zero_pages']), (8, 3), 'pages')
        check.equal(told['data']['packets'], 3, 'packets with a page in them')
        with open(f'{directory}/zeros', 'wb') as zeros:
            zeros.truncate(1 << 20)
        ended = run('bench', 'engines', f'{directory}/zeros').expect(USAGE)
        check.contains(ended.sentence(), 'nothing but zero pages', 'standard error')


def trees_are_read_until_enough():
    with scratch() as directory:
        for number in range(3):
            with open(f'{directory}/{number}', 'wb') as file:
                file.write(bytes([number + 1]) * 3 * PAGE)
        for memory, pages in (('64M', 9), ('16K', 4)):
            told = bench('--runs', '1', '--formats', 'zlib', '--memory', memory, directory)
            check.equal(told['data']['normal_pages'], pages, f'pages with --memory {memory}')


def simulated_device_works_and_is_counted():
    told = bench(*QUICK, '--formats', 'qpl,qatzip', '--simulate', 'depth=8,latency=5us', PROGRAM)
    for name in ('qpl', 'qatzip'):
        rows = rows_of(told, name)
        row = next(row for row in rows if row['encoder'] == 'simulated')
        counters = row['encode']['counters']
        check.equal(row['encoder_accelerator'], 'simulated', 'accelerator')
        check.true(counters['device_units'] > 0, f'{name}: {counters}')
        check.true(any(row['decoder'] == 'simulated' for row in rows), f'{name} decodes')
        check.true(any(row['encoder'] == 'isal' for row in rows), 'beside software')


def busy_device_leaves_all_to_software():
    told = bench(*QUICK, '--formats', 'qpl', '--simulate', 'busy=100%', PROGRAM)
    counters = next(row for row in rows_of(told, 'qpl')
                    if row['encoder'] == 'simulated')['encode']['counters']
    check.equal(counters['device_units'], 0, 'units by device')
    check.true(counters['fallback_units'] > 0 and counters['retries'] > 0, counters)


def accelerators_choose_who_takes_part():
    told = bench(*QUICK, '--accelerator', 'reference', PROGRAM)
    for name in FORMATS:
        engines = {row['encoder'] for row in rows_of(told, name)}
        check.equal(engines - {'reference'}, {'zstd' if name == 'zstd' else 'zlib'},
                    f'engines of {name}')
    told = bench(*QUICK, '--accelerator', 'reference', '--accelerator', 'simulated',
                 '--formats', 'uadk', PROGRAM)
    check.equal({row['encoder'] for row in rows_of(told, 'uadk')},
                {'reference', 'zlib', 'simulated'}, 'engines of both')


def table_has_a_line_a_row():
    arguments = [*QUICK, '--formats', 'zlib,qatzip', PROGRAM]
    told = bench(*arguments)
    ended = run('bench', 'engines', *arguments).expect(DONE)
    check.equal(ended.err, '', 'standard error')
    lines = [line for line in ended.out.splitlines() if line.startswith(('zlib', 'qatzip'))]
    for name in ('zlib', 'qatzip'):
        expected = [(row['encoder'], row['decoder']) for row in rows_of(told, name)]
        seen = [tuple(line.split()[2:4]) for line in lines
                if line.startswith(name) and 'without' not in line]
        check.equal(seen, expected, f'rows of {name}')
    for left in told['left_out']:
        check.contains(ended.out, left['reason'], 'what is told of engines left out')


def json_goes_to_a_file_beside_the_table():
    with scratch() as directory:
        path = f'{directory}/bench.json'
        ended = run('bench', 'engines', *QUICK, '--formats', 'zstd', '--json', path,
                    PROGRAM).expect(DONE)
        check.contains(ended.out, 'zstd ', 'table')
        with open(path, encoding='utf-8') as file:
            check.equal(len(rows_of(json.load(file), 'zstd')), 2, 'rows')


def time_limit_leaves_a_run_at_least():
    told = bench('--memory', '2M', '--runs', '1000', '--seconds', '1', '--formats', 'zlib',
                 PROGRAM)
    check.true(len(rows_of(told, 'zlib')[0]['encode']['runs']) >= 1, 'no run')


REFUSED = [
    ([], ['engines is what can be measured']),
    (['codecs', PROGRAM], ['codecs', 'engines is what can be measured']),
    (['engines'], ['one PATH is expected, not 0']),
    (['engines', PROGRAM, PROGRAM], ['one PATH is expected, not 2']),
    (['engines', '/nonexistent'], ['/nonexistent', 'no such file']),
    (['engines', '--formats', 'lz4', PROGRAM], ['--formats', '"lz4"', 'qatzip']),
    (['engines', '--formats', 'none', PROGRAM], ['--formats', 'none', 'nothing is computed']),
    (['engines', '--formats', 'zlib,zlib', PROGRAM], ['--formats', 'zlib is there twice']),
    (['engines', '--formats', '', PROGRAM], ['--formats', '""']),
    (['engines', '--levels', '21', PROGRAM], ['--levels', '"21"', 'no level']),
    (['engines', '--levels', '1,,2', PROGRAM], ['--levels', '""', 'no level']),
    (['engines', '--levels', '1x', PROGRAM], ['--levels', '"1x"', 'no level']),
    (['engines', '--levels', '9', '--formats', 'qpl', PROGRAM], ['--levels', '"9"']),
    (['engines', '--levels', ','.join(['1'] * 33), PROGRAM], ['--levels', 'more than 32']),
    (['engines', '--accelerator', 'gpu', PROGRAM], ['--accelerator', '"gpu"', 'simulated']),
    (['engines', '--simulate', 'slow', PROGRAM], ['--simulate', '"slow"', 'latency']),
    (['engines', '--memory', '4095', PROGRAM], ['--memory 4095', '4.0 KiB to']),
    (['engines', '--packet-pages', '0', PROGRAM], ['--packet-pages 0', '1 to 128']),
    (['engines', '--packet-pages', '129', PROGRAM], ['--packet-pages 129', '1 to 128']),
    (['engines', '--runs', '0', PROGRAM], ['--runs 0', '1 to 1000']),
    (['engines', '--runs', '1001', PROGRAM], ['--runs 1001', '1 to 1000']),
    (['engines', '--seconds', '86401', PROGRAM], ['--seconds 86401', '0 to 86400']),
    (['engines', '--json', '/nonexistent/x', PROGRAM], ['--json', '/nonexistent/x']),
]


def refuses(arguments, parts):
    ended = run('bench', *arguments).expect(USAGE)
    check.equal(ended.out, '', 'standard output')
    for part in parts:
        check.contains(ended.sentence(), part, 'standard error')


def device_that_is_not_here_fails():
    ended = run('bench', 'engines', '--accelerator', 'simulated', '--simulate', 'absent',
                PROGRAM).expect(FAILED)
    check.contains(ended.sentence(), 'accelerator simulated', 'standard error')


CASES = [
    ('every format is measured', every_format_is_measured),
    ('reference is first and one', reference_is_first_and_one),
    ('host is told', host_is_told),
    ('bytes fall as levels rise', bytes_fall_as_levels_rise),
    ('levels that a format lacks are passed over', levels_that_a_format_lacks_are_passed_over),
    ('zero pages are left out', zero_pages_are_left_out),
    ('trees are read until enough', trees_are_read_until_enough),
    ('simulated device works and is counted', simulated_device_works_and_is_counted),
    ('busy device leaves all to software', busy_device_leaves_all_to_software),
    ('accelerators choose who takes part', accelerators_choose_who_takes_part),
    ('table has a line a row', table_has_a_line_a_row),
    ('JSON goes to a file beside the table', json_goes_to_a_file_beside_the_table),
    ('time limit leaves a run at least', time_limit_leaves_a_run_at_least),
    ('device that is not here fails', device_that_is_not_here_fails),
    *[(f'refuses {" ".join(arguments) or "nothing"}'[:60], refuses, arguments, parts)
      for arguments, parts in REFUSED],
]

if __name__ == '__main__':
    check.run(CASES)
