#!/usr/bin/env python3
"""Says which kernels of a program did not run in every order of the simulator.

usage: check_orders.py PROGRAM RECORD

RECORD is what PROGRAM left in the folder WHISKER_SIM_RECORD while its tests ran. Every
instantiation of a kernel in PROGRAM must have run to its end with threads and blocks forward, in
reverse and at random. Fails with the list of those that did not.
"""
import re
import subprocess
import sys

ORDERS = {f"{order} {order}" for order in ("forward", "reverse", "random")}
# Of the product alone: tests have kernels of their own in whisker::testing.
KERNEL = re.compile(r"^(?:void )?whisker::v\d+_\d+::kernels::cuda::(?:\(anonymous namespace\)::)?"
                    r"(\w+_kernel\b.*)$")


def kernels_of(program):
    """Their names by address."""
    listed = subprocess.run(["nm", "--demangle", "--defined-only", program], check=True,
                            capture_output=True, text=True).stdout
    kernels = {}
    for line in listed.splitlines():
        address, kind, name = line.split(" ", 2)
        if kind not in "tTwW" or "[clone" in name or "::{lambda" in name:
            continue
        if match := KERNEL.match(name):
            kernels[int(address, 16)] = match[1]
    return kernels


def main(program, record):
    kernels = kernels_of(program)
    if not kernels:
        sys.exit(f"{program}: no kernels; is it stripped?")
    missing = {address: set(ORDERS) for address in kernels}
    with open(record, encoding="ascii") as lines:
        for line in lines:
            address, orders = line.rstrip("\n").split(" ", 1)
            missing.get(int(address, 16), set()).discard(orders)
    left_out = {kernels[address]: orders for address, orders in missing.items() if orders}
    for name, orders in sorted(left_out.items()):
        print(f"{name}\n  never ran", ", ".join(sorted(order.split()[0] for order in orders)))
    if left_out:
        sys.exit(f"{len(left_out)} of {len(kernels)} kernels did not run in every order")
    print(f"all {len(kernels)} kernels ran in every order")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
