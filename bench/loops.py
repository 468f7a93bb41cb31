#!/usr/bin/env python3
"""loops.py - what the inner loops of a kernel are made of, in the compiler's code.

    bench/loops.py OBJECT [FUNCTION...]

Disassembles OBJECT (a .o of the build; x86-64 or AArch64) and prints a row for each
innermost loop that multiplies (of a FUNCTION that is named: for each): a piece of code
that ends in a jump to its beginning and holds no other such piece. Instructions are counted in five columns that add up to "all":

    loads   nothing but a load or a broadcast from memory; a pair counts once
    bits    and, or, shift, rotate, absolute value, sign: what unpacking is made of
    mul     multiplications and multiply-adds of vectors
    add     vector additions
    other   the rest: addresses, the loop itself, conversions, stores, prefetches

"reads" are all instructions that read memory, also those counted elsewhere (x86 adds a
load to most instructions). Each is given for one turn of the loop and for 256
multiply-adds, which is one row of activations times 256 weights; "mads" says how many a
turn has. objdump is $OBJDUMP or the one that knows the object.
"""
import os
import re
import subprocess
import sys

# Multiply-adds of one instruction with 128-bit registers, by the kind of number. A loop is
# made for one kind: that of the first of these rows that it has.
KINDS = (
    {"vpdpbusd": 16, "vpmaddubsw": 16, "sdot": 16, "smlal.8h": 8, "smull.8h": 8},
    {"vpdpwssd": 8, "vpmaddwd": 8, "smlal.4s": 4},
    {"vfmadd": 4, "vfnmadd": 4, "fmla": 4},
)
COLUMNS = ("loads", "bits", "mul", "add", "other")


def disassemble(path):
    """{function: [(address, mnemonic, operands)]}"""
    arm = b"\xb7\x00" == open(path, "rb").read(20)[18:20]
    tool = os.environ.get("OBJDUMP") or ("aarch64-linux-gnu-objdump" if arm else "objdump")
    text = subprocess.run([tool, "-d", "--no-show-raw-insn", path], check=True,
                          capture_output=True, text=True).stdout
    functions, code = {}, None
    for line in text.splitlines():
        if m := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            code = functions.setdefault(m[1], [])
        elif m := re.match(r"\s+([0-9a-f]+):\s+(?:[{]\w+[}] )?(\S+)\s*(.*)$", line):
            code.append((int(m[1], 16), m[2], re.sub(r"\s*(<.*|//.*)$", "", m[3])))
    return functions, arm


def innermost(code):
    """Pieces of code that end in a jump back and contain no other such piece."""
    at = {a: i for i, (a, _, _) in enumerate(code)}
    found = []
    for i, (a, name, operands) in enumerate(code):
        if not re.match(r"j|b$|b\.|cbn?z|tbn?z", name) or "call" in name:
            continue
        m = re.search(r"([0-9a-f]+)$", operands)
        to = int(m[1], 16) if m else a + 1
        if to <= a and to in at and not any(at[to] <= j for j, _ in found):
            found.append((at[to], i))
    return [code[j:i + 1] for j, i in found]


def width(operands):
    """Registers of 128 bits in one of these operands."""
    return 4 if "%zmm" in operands else 2 if "%ymm" in operands else 1


def mads(loop, arm):
    """Multiply-adds of one turn of a loop."""
    for kind in KINDS:
        total = 0
        for _, name, operands in loop:
            if arm:
                if not re.match(r"v\d", operands):
                    continue
                shape = re.match(r"v\d+(\.\w+)", operands)[1]
                name = name.rstrip("2") + shape if name.startswith("sm") else name
            elif name.endswith("ss"):
                continue
            n = next((n for key, n in kind.items() if name.startswith(key)), 0)
            total += n * width(operands)
        if total:
            return total
    return 0


def column(name, operands, arm):
    if arm:
        if re.match(r"ld", name):
            return "loads"
        if re.match(r"(and|orr|bic|eor|ushr|sshr|shl|ushl|usra|abs)$", name):
            return "bits" if re.match(r"v\d", operands) else "other"
        if re.match(r"sdot|f?ml[as]|smlal|smull|mul|fmul", name):
            return "mul" if re.match(r"v\d", operands) else "other"
        if re.match(r"f?add|saddl|addp|saddlp|sadalp", name):
            return "add" if re.match(r"v\d", operands) else "other"
        return "other"
    memory = re.match(r"[^,%]*\(|[^,]*\(.*?\),%", operands)
    if re.match(r"vmov|vbroadcast|vpbroadcast|vlddqu", name) and memory:
        return "loads"
    if re.match(r"vpand|vpor|vpxor|vps[lr][la]|vpabs|vpsign|vpternlog", name):
        return "bits"
    if re.match(r"vpdp|vpmadd|vfn?madd|vmulp|vpmul", name):
        return "mul"
    if re.match(r"vpadd|vaddp", name):
        return "add"
    return "other"


def reads(name, operands, arm):
    if arm:
        return name.startswith("ld")
    stores = re.search(r"\)\s*(\{.*\})?$", operands) and not name.startswith(("cmp", "test"))
    return "(" in operands and not stores and not name.startswith(("lea", "prefetch", "nop"))


def row(function, loop, arm):
    count = dict.fromkeys(COLUMNS, 0)
    for _, name, operands in loop:
        count[column(name, operands, arm)] += 1
    count["all"] = len(loop)
    count["reads"] = sum(bool(reads(n, o, arm)) for _, n, o in loop)
    return function, loop[0][0], mads(loop, arm), count


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    functions, arm = disassemble(sys.argv[1])
    names = COLUMNS + ("all", "reads")
    print(f"{'function':24} {'at':>6} {'mads':>5}  " + " ".join(f"{n:>13}" for n in names))
    for function, code in functions.items():
        if sys.argv[2:] and not any(function.startswith(n) for n in sys.argv[2:]):
            continue
        for loop in innermost(code):
            name, at, total, count = row(function, loop, arm)
            if total or sys.argv[2:]:
                share = 256 / total if total else 0
                cells = (f"{count[n]:>5} {count[n] * share:>7.2f}" for n in names)
                print(f"{name:24.24} {at:>6x} {total:>5}  " + " ".join(cells))


if __name__ == "__main__":
    main()
