#!/usr/bin/env python3
"""Looks in the programs that were built for what makes faults harder to exploit, with binutils' readelf and objdump.

usage: hardening_test.py PROGRAM...

Prints one line for each that is missing.
"""

import platform
import re
import subprocess
import sys


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def missing_in(program):
    """Yields what the program lacks."""
    header = output_of("readelf", "--file-header", "--wide", program)
    segments = output_of("readelf", "--program-headers", "--wide", program)
    dynamic = output_of("readelf", "--dynamic", "--wide", program)
    symbols = output_of("readelf", "--dyn-syms", "--wide", program)
    if not re.search(r"Type:\s+DYN ", header) or "PIE" not in dynamic:
        yield "a position of its own at each start (PIE)"
    if "GNU_RELRO" not in segments or not re.search(r"\(FLAGS_1\).*\bNOW\b|\(BIND_NOW\)", dynamic):
        yield "relocations that are read-only once it runs (full RELRO)"
    stack = re.search(r"GNU_STACK.*", segments)
    if stack is None or "E" in stack[0].split()[-2]:
        yield "a stack that cannot be executed"
    if re.search(r"LOAD.*\bRWE\b", segments):
        yield "no segment that is both written and executed"
    if "__stack_chk_fail" not in symbols:
        yield "canaries on its stacks (stack protector)"
    if not re.search(r"__\w+_chk@", symbols.replace("__stack_chk_fail", "")):
        yield "checked C functions (_FORTIFY_SOURCE)"
    if platform.machine() == "x86_64":
        # The linker leaves the program's own mark out, since Debian's start files have none; what we compile can be
        # called only where it says so.
        code = output_of("objdump", "--disassemble", "--no-show-raw-insn", program)
        if code.count("endbr64") < 100:
            yield "marks of where indirect calls may lead (CET)"
        # A function with more than a page of locals touches every page.
        if not re.search(r"\bor[ql]\s+\$0x0,(0x\w+)?\(%rsp", code):
            yield "probes of large stack frames (stack clash protection)"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    bad = [f"{program}: lacks {what}" for program in sys.argv[1:] for what in missing_in(program)]
    print("\n".join(bad) if bad else "all of it is in every program")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
