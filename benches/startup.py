"""From nothing to a listing of contexts: a new process each time, `agb` and the official Python SDK.

`cargo xtask startup` builds what is needed, starts `agb serve` with some contexts and runs this. By hand: set AGB_ENDPOINT,
AGB_API_KEY and AGB (the binary), and run it with an interpreter that has tests/python/requirements.txt installed.
The two take turns. CPU is what the kernel counts for the process, user and system; both are held against agb's.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

LISTING = """
import os
os.environ.setdefault("AGB_LOG_LEVEL", "CRITICAL")
from agb import AGB
from agb.config import Config
agb = AGB(api_key=os.environ["AGB_API_KEY"], cfg=Config(endpoint=os.environ["AGB_ENDPOINT"], timeout_ms=60_000))
for context in agb.context.list().contexts:
    print(context.name)
"""

WHO = {
    "agb --version": [os.environ["AGB"], "--version"],
    "agb context list": [os.environ["AGB"], "context", "list", "--quiet"],
    "python -c pass": [sys.executable, "-c", "pass"],
    "official Python SDK": [sys.executable, "-c", LISTING],
}


def run(command):
    """Seconds of the wall and of the CPU, and what was printed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[:2]} ended with {status}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, printed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    for number in range(10):
        subprocess.run(
            [os.environ["AGB"], "context", "create", f"context-{number}"], check=True, stdout=subprocess.DEVNULL
        )
    printed = {who: sorted(run(command)[2].splitlines()) for who, command in WHO.items()}
    if printed["agb context list"] != printed["official Python SDK"] or len(printed["agb context list"]) != 10:
        sys.exit("the two do not list the same")
    times = {who: [] for who in WHO}
    for _ in range(rounds):
        for who, command in WHO.items():
            times[who].append(run(command)[:2])
    wall, cpu = (statistics.median(time[at] for time in times["agb context list"]) for at in (0, 1))
    print("\n| command | wall over agb's | CPU over agb's |\n| --- | --- | --- |")
    for who, taken in times.items():
        ratios = [statistics.median(time[at] for time in taken) / ours for at, ours in ((0, wall), (1, cpu))]
        print(f"| {who} | {ratios[0]:.2f} | {ratios[1]:.2f} |")


main()
