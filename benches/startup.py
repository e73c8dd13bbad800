"""Compares the time to start a process and list contexts: `agb` and the official Python SDK.

`cargo xtask startup` builds `agb`, starts `agb serve` and runs this script. To run it by hand, set AGB_ENDPOINT,
AGB_API_KEY and AGB (the path of the binary), and use an interpreter with tests/python/requirements.txt installed. The
commands alternate. CPU is the user and system time of the process. Ratios are relative to `agb context list`.
"""

import argparse
import json
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

COMMANDS = {
    "agb --version": [os.environ["AGB"], "--version"],
    "agb context list": [os.environ["AGB"], "context", "list", "--quiet"],
    "python -c pass": [sys.executable, "-c", "pass"],
    "official Python SDK": [sys.executable, "-c", LISTING],
}


def run(command):
    """Returns the wall-clock seconds, the CPU seconds and the output of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[:2]} ended with {status}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, printed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--samples", help="file that receives a line of JSON for each measurement")
    options = parser.parse_args()
    for number in range(10):
        subprocess.run(
            [os.environ["AGB"], "context", "create", f"context-{number}"], check=True, stdout=subprocess.DEVNULL
        )
    printed = {name: sorted(run(command)[2].splitlines()) for name, command in COMMANDS.items()}
    if printed["agb context list"] != printed["official Python SDK"] or len(printed["agb context list"]) != 10:
        sys.exit("agb and the Python SDK list different contexts")
    times = {name: [] for name in COMMANDS}
    for _ in range(options.rounds):
        for name, command in COMMANDS.items():
            times[name].append(run(command)[:2])
    if options.samples:
        with open(options.samples, "w") as file:
            for at, job in enumerate(("wall-clock time", "processor time")):
                for name, measured in times.items():
                    for time in measured:
                        json.dump({"job": job, "client": name, "seconds": time[at]}, file)
                        file.write("\n")
    wall, cpu = (statistics.median(time[at] for time in times["agb context list"]) for at in (0, 1))
    print("\n| command | wall-clock time relative to agb | CPU time relative to agb |\n| --- | --- | --- |")
    for name, measured in times.items():
        ratios = [statistics.median(time[at] for time in measured) / ours for at, ours in ((0, wall), (1, cpu))]
        print(f"| {name} | {ratios[0]:.2f} | {ratios[1]:.2f} |")


main()
