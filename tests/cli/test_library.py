#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_library.py - what is installed of the library: its header, its names, its godwit.pc.

It is installed into a directory of its own, and from there examples/vmm.c is built as somebody
else's program would be, with nothing but godwit.pc, and moves its guest.  The build is that of
scripts/test's step gcc, made where there is none, or the one that GODWIT_BUILD names: sanitizer
builds install no library.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
import test_man  # noqa: E402
from command import DONE, Running, check, scratch  # noqa: E402

ROOT = os.path.abspath(os.path.join(command.HERE, '..', '..'))
BUILD = os.environ.get('GODWIT_BUILD', f'{ROOT}/build-test/gcc')
VMM = f'{ROOT}/examples/vmm.c'
STRICT = ['-Wall', '-Wextra', '-Werror']

# What the example says where the kernel does not tell who writes.
NO_TRACKER = re.compile(r'^vmm: (wp-async: .*)', re.MULTILINE)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def names(pattern):
    return sorted(map(os.path.basename, glob.glob(pattern)))


def said(*arguments, **environment):
    """What a program that must succeed prints."""
    done = subprocess.run(arguments, check=False, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env=os.environ | environment,
                          timeout=command.PATIENCE)
    check.equal(done.returncode, 0, f'exit code of {" ".join(arguments)}, which said '
                f'{done.stdout[-2000:]!r} {done.stderr[-2000:]!r},')
    return done.stdout


class Installed:
    """The library below a prefix, found by nothing but pkg-config."""

    def __init__(self, top):
        if not os.path.exists(f'{BUILD}/build.ninja'):
            said('meson', 'setup', BUILD, '--werror', CC='gcc')
        said('ninja', '-C', BUILD, '--quiet')
        said('meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', top)
        self.pc, = glob.glob(f'{top}/**/godwit.pc', recursive=True)
        self.libraries = os.path.dirname(os.path.dirname(self.pc))
        prefix = re.search(r'^prefix=(.*)$', read(self.pc), re.MULTILINE).group(1)
        self.prefix = top + prefix

    def pkg_config(self, *options):
        return said('pkg-config', f'--define-variable=prefix={self.prefix}', *options, 'godwit',
                    PKG_CONFIG_PATH=os.path.dirname(self.pc)).split()

    def cc(self, output, compiler, *options):
        """Builds the example; returns where it is."""
        said(compiler, *STRICT, '-O2', VMM, '-o', output, *self.pkg_config(*options))
        return output

    def run(self, *arguments):
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                env=os.environ | {'LD_LIBRARY_PATH': self.libraries})


def expect_success(process):
    out, _ = process.communicate(timeout=command.PATIENCE)
    if process.returncode != 0 and NO_TRACKER.search(out):
        raise check.Skip(f'no {NO_TRACKER.search(out).group(1)}')
    check.equal(process.returncode, 0, f'exit code, having said {out!r},')
    return out


def public_calls():
    """Those that the header declares."""
    header = read(f'{ROOT}/include/godwit.h')
    return set(re.findall(r'^GW_API [^(]*?(\w+)\(', header, re.MULTILINE))


def global_names(*nm):
    return {line.split()[-1] for line in said('nm', '--defined-only', *nm).splitlines()
            if len(line.split()) == 3}


def archive_shows_only_public_calls(installed):
    check.equal(global_names('-g', f'{installed.libraries}/libgodwit.a'), public_calls(),
                'names in libgodwit.a')


def shared_library_shows_only_public_calls(installed):
    check.equal(global_names('-D', f'{installed.libraries}/libgodwit.so'), public_calls(),
                'names in libgodwit.so')


def header_defines_only_public_names(installed):
    header = read(f'{installed.prefix}/include/godwit.h')
    header = re.sub(r'/\*.*?\*/', '', header, flags=re.DOTALL)
    names = set(re.findall(r'^#\s*define (\w+)', header, re.MULTILINE)) - {'GODWIT_H'}
    names |= set(re.findall(r'^\s*(?:struct|enum) (\w+)', header, re.MULTILINE))
    for enumerators in re.findall(r'^enum \w+ {(.*?)}', header, re.MULTILINE | re.DOTALL):
        names |= set(re.findall(r'(\w+)\s*(?:= \d+)?\s*(?:,|$)', enumerators))
    check.true(len(names) > 30, f'only {names}')
    check.equal({name for name in names if not name.startswith(('gw_', 'GW_'))}, set(),
                'names without prefix')


def header_is_for(installed, language, *compilers):
    for compiler in filter(shutil.which, compilers):
        with scratch() as directory:
            with open(f'{directory}/use.c', 'w', encoding='ascii') as file:
                file.write('#include <godwit.h>\nint use(void);\n'
                           'int use(void) { return gw_version() == 0; }\n')
            said(compiler, '-x', language.split('-')[0], f'-std={language.split("-")[1]}',
                 '-pedantic', *STRICT, '-fsyntax-only', f'{directory}/use.c',
                 *installed.pkg_config('--cflags'))
        return
    raise AssertionError(f'none of {compilers} is here')


def vmm_moves(installed, compiler):
    with scratch() as directory:
        vmm = installed.cc(f'{directory}/vmm', compiler, '--cflags', '--libs', '--static')
        out = expect_success(installed.run(vmm))
    check.contains(out, 'moved, verified, running', 'what it said')


def vmm_moves_without_shared_library(installed):
    with scratch() as directory:
        alone = f'{directory}/lib'
        os.mkdir(alone)
        shutil.copy(f'{installed.libraries}/libgodwit.a', alone)
        flags = [flag for flag in installed.pkg_config('--cflags', '--libs', '--static')
                 if flag != f'-L{installed.libraries}']
        said('cc', *STRICT, VMM, '-o', f'{directory}/vmm', f'-L{alone}', *flags)
        check.true('libgodwit' not in said('ldd', f'{directory}/vmm'), 'it is not static')
        out = expect_success(installed.run(f'{directory}/vmm'))
    check.contains(out, 'moved, verified, running', 'what it said')


def vmm_moves_between_two_programs(installed):
    with scratch() as directory:
        vmm = installed.cc(f'{directory}/vmm', 'cc', '--cflags', '--libs')
        uri = f'unix:{directory}/meet'
        with installed.run(vmm, 'receive', uri) as destination:
            try:
                check.equal(destination.stdout.readline(),
                            f'destination: listening on {uri}\n', 'its first line')
                expect_success(installed.run(vmm, 'run', '--to', uri))
                out = expect_success(destination)
            finally:
                destination.kill()
    check.contains(out, 'the counter went on', 'what it said')


def inspect_can_follow(installed):
    """Its stream is QEMU's, and says how long the state is."""
    with scratch() as directory:
        vmm = installed.cc(f'{directory}/vmm', 'cc', '--cflags', '--libs')
        uri = f'unix:{directory}/meet'
        with Running('inspect', '--listen', uri, '--channels', '4') as inspect:
            inspect.listening_on()
            expect_success(installed.run(vmm, 'run', '--to', uri))
            ended = inspect.end().expect(DONE)
    check.contains(ended.out, 'godwit/state/vmm/counter', 'report')
    check.contains(ended.out, '12 bytes', 'report')


def pages_and_unit_are_installed(installed):
    for section in '13':
        check.equal(names(f'{installed.prefix}/share/man/man{section}/*.{section}'),
                    names(f'{ROOT}/docs/*.{section}'), f'pages of section {section}')
    check.equal(names(f'{installed.prefix}/lib/systemd/system/*'), names(f'{ROOT}/contrib/*'),
                'units')


def page_tells_all_calls():
    page = read(f'{ROOT}/docs/libgodwit.3')
    check.equal(set(re.findall(r'^\.Fn (gw_\w+) "', page, re.MULTILINE)), public_calls(),
                'calls of libgodwit.3')


def main():
    with tempfile.TemporaryDirectory(prefix='cli-') as top:
        installed = Installed(top)
        check.run([
            ('the archive shows only public calls', archive_shows_only_public_calls, installed),
            ('the shared library shows only public calls',
             shared_library_shows_only_public_calls, installed),
            ('the header defines only public names', header_defines_only_public_names, installed),
            ('the header is C11', header_is_for, installed, 'c-c11', 'cc'),
            ('the header is C++', header_is_for, installed, 'c++-c++11', 'g++', 'clang++'),
            ('vmm.c moves, built by cc', vmm_moves, installed, 'cc'),
            ('vmm.c moves, built by clang', vmm_moves, installed, 'clang'),
            ('vmm.c moves without the shared library', vmm_moves_without_shared_library,
             installed),
            ('vmm.c moves between two programs', vmm_moves_between_two_programs, installed),
            ('inspect can follow vmm.c', inspect_can_follow, installed),
            ('all pages and the unit are installed', pages_and_unit_are_installed, installed),
            ('libgodwit.3 tells all calls', page_tells_all_calls),
            ('libgodwit.3 is clean', test_man.page_is_clean, f'{ROOT}/docs/libgodwit.3'),
        ])


if __name__ == '__main__':
    main()
