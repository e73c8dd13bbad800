"""Whole commands side by side against one service: the SDK, curl, a bare reqwest loop, the official Python SDK.

`cargo xtask transfers` builds what is needed, starts `agb serve` with an empty folder and runs this; what follows it on
that line is given on. By hand: set AGB_ENDPOINT, AGB_API_KEY and TRANSFER (the program of transfer.rs), and run it with
an interpreter that has tests/python/requirements.txt installed.

In each round everyone takes their turn, one round from the first on, the next from the second on. Each fetches what
another has sent, and all that was fetched is compared with the original. Data that waits to be written to the disk is
written between two turns. What a command had resident at most is read from /proc while it runs: Linux only.
"""

import argparse
import contextlib
import filecmp
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ENDPOINT = os.environ["AGB_ENDPOINT"].rstrip("/")
KEY = os.environ["AGB_API_KEY"]
TRANSFER = os.environ.get("TRANSFER")
PYTHON_THREADS = 8
FILES_IN_A_FOLDER = 100
SMALL = 4096
MIB = 1 << 20


def transfer(*arguments):
    return [TRANSFER, ENDPOINT, *map(str, arguments)]


def python(*arguments):
    return [sys.executable, __file__, *map(str, arguments)]


def url(job, remote):
    return subprocess.run(transfer(job, remote), check=True, text=True, capture_output=True).stdout.strip()


def peak(pid):
    """What a process has had resident at most, in KiB; 0 if it is no more."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def measured(*commands):
    """Runs the commands one after the other: seconds of them all, and the peak memory of the largest."""
    os.sync()
    most = 0
    began = time.perf_counter()
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        ended = threading.Event()

        def watch():
            nonlocal most
            while not ended.wait(0.02):
                most = max(most, peak(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        ended.set()
        watcher.join()
        if status:
            sys.exit(f"{command[:3]} ended with {status}")
    return time.perf_counter() - began, most


def same_file(one, other):
    if not filecmp.cmp(one, other, shallow=False):
        sys.exit(f"{other} is not what was sent")


def same_folder(one, other):
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    if files != sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file()):
        sys.exit(f"{other} does not have the files that were sent")
    for file in files:
        same_file(one / file, other / file)


def curl_up(source, remote):
    # Without a content type: it would be part of what is signed.
    return ["curl", "-fsS", "-T", source, "-H", "Content-Type:", url("up-url", remote)]


def curl_down(remote, target):
    return ["curl", "-fsS", "-o", target, url("down-url", remote)]


# Who takes part: the commands of one turn. What is prepared in making them is not measured.
ONE_UP = {
    "curl": lambda source, remote: [curl_up(source, remote)],
    "SDK": lambda source, remote: [transfer("up", source, remote)],
}
ONE_DOWN = {
    "curl": lambda remote, target: [curl_down(remote, target)],
    "curl, then sync": lambda remote, target: [curl_down(remote, target), ["sync", target]],
    "SDK": lambda remote, target: [transfer("down", remote, target)],
    "SDK, not durable": lambda remote, target: [transfer("fast-down", remote, target)],
}
MANY_UP = {
    "bare": lambda source, remote: [transfer("bare-up", source, remote)],
    "SDK": lambda source, remote: [transfer("up-dir", source, remote)],
    "Python": lambda source, remote: [python("up", source, remote)],
}
MANY_DOWN = {
    "bare": lambda remote, target: [transfer("bare-down", remote, target)],
    "bare, then sync": lambda remote, target: [transfer("bare-down", remote, target), ["sync", "-f", target]],
    "SDK": lambda remote, target: [transfer("down-dir", remote, target)],
    "SDK, not durable": lambda remote, target: [transfer("fast-down-dir", remote, target)],
    "Python": lambda remote, target: [python("down", remote, target)],
}


class Table:
    """What was measured, by job and by who did it, round by round."""

    def __init__(self):
        self.seconds = {}
        self.memory = {}

    def add(self, job, who, seconds, memory):
        self.seconds.setdefault(job, {}).setdefault(who, []).append(seconds)
        self.memory.setdefault(job, {}).setdefault(who, []).append(memory)
        print(f"  {job}, {who}: {seconds:.2f} s, {memory / 1024:.0f} MiB", flush=True)

    def show(self):
        ours = ["SDK", "SDK, not durable"]
        print("\n| job | who |" + "".join(f" its time over that of: {who} |" for who in ours) + " peak memory |")
        print("| --- | --- | --- | --- | --- |")
        for job, all_seconds in self.seconds.items():
            for who, seconds in all_seconds.items():
                ratios = [spread(seconds, all_seconds.get(sdk)) for sdk in ours]
                memory = max(self.memory[job][who]) / 1024
                print(f"| {job} | {who} | {' | '.join(ratios)} | {memory:.0f} MiB |")


def spread(theirs, ours):
    """The SDK's speed in theirs, over 1 where it is faster: median, lowest and highest."""
    if ours is None:
        return ""
    ratios = sorted(their / our for their, our in zip(theirs, ours))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def turns(table, job, contenders, number, arguments, after=lambda *_: None):
    """One round of one job."""
    names = list(contenders)
    for name in names[number % len(names):] + names[: number % len(names)]:
        given = arguments(name)
        commands = [[str(part) for part in command] for command in contenders[name](*given)]
        table.add(job, name, *measured(*commands))
        after(*given)


def compare(options, folder):
    table = Table()
    one, fetched = folder / "one", folder / "fetched"
    if options.size_mib:
        make_one(one, options.size_mib)
    many = folder / "many"
    make_many(many, options.files)

    def check_one(_, target):
        same_file(one, target)
        target.unlink()

    def check_many(_, target):
        # It stays: for minutes after many files were deleted, ext4 is slow to make new ones.
        same_folder(many, target)

    def new_folder():
        return pathlib.Path(tempfile.mkdtemp(dir=folder))

    for number in range(options.rounds):
        print(f"round {number + 1}", flush=True)
        if options.size_mib:
            turns(table, "one up", ONE_UP, number, lambda who: (one, f"/one-{who}"))
            source = {"SDK": "/one-curl", "SDK, not durable": "/one-curl"}
            turns(
                table, "one down", ONE_DOWN, number,
                lambda who: (source.get(who, "/one-SDK"), fetched), check_one,
            )
        if options.files:
            remote = {who: f"/many-{who}-{number}" for who in MANY_UP}
            turns(table, "many up", MANY_UP, number, lambda who: (many, remote[who]))
            source = {
                "SDK": "bare", "SDK, not durable": "Python", "bare": "SDK", "bare, then sync": "Python", "Python": "SDK",
            }
            turns(
                table, "many down", MANY_DOWN, number,
                lambda who: (remote[source[who]], new_folder()), check_many,
            )
    table.show()


def make_one(path, size_mib):
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))


def make_many(path, files):
    for n in range(files):
        folder = path / f"folder-{n // FILES_IN_A_FOLDER:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{n:05}").write_bytes(os.urandom(SMALL))


def official():
    """The official SDK's contexts, the id of the one in use, and a session for each thread."""
    os.environ.setdefault("AGB_LOG_LEVEL", "CRITICAL")
    import requests
    from agb import AGB
    from agb.config import Config

    contexts = AGB(api_key=KEY, cfg=Config(endpoint=ENDPOINT, timeout_ms=60_000)).context
    kept = threading.local()

    def session():
        if not hasattr(kept, "session"):
            kept.session = requests.Session()
        return kept.session

    return contexts, contexts.get("bench", create=True).context_id, session


def python_up(source, remote):
    contexts, context, session = official()

    def send(path):
        name = f"{remote}/{path.relative_to(source).as_posix()}"
        address = contexts.get_file_upload_url(context, name).url
        session().put(address, data=path.read_bytes()).raise_for_status()

    files = [path for path in pathlib.Path(source).rglob("*") if path.is_file()]
    with ThreadPoolExecutor(PYTHON_THREADS) as pool:
        list(pool.map(send, files))


def python_down(remote, target):
    contexts, context, session = official()

    def listed(folder):
        for number in range(1, sys.maxsize):
            entries = contexts.list_files(context, folder, number, 1000).entries
            for entry in entries:
                if entry.file_type == "folder":
                    yield from listed(entry.file_path)
                else:
                    yield entry.file_path
            if len(entries) < 1000:
                return

    def fetch(path):
        answer = session().get(contexts.get_file_download_url(context, path).url)
        answer.raise_for_status()
        file = pathlib.Path(target) / path.removeprefix(f"{remote}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(answer.content)

    with ThreadPoolExecutor(PYTHON_THREADS) as pool:
        list(pool.map(fetch, listed(remote)))


def main():
    if sys.argv[1:2] == ["up"]:
        return python_up(*sys.argv[2:])
    if sys.argv[1:2] == ["down"]:
        return python_down(*sys.argv[2:])
    parser = argparse.ArgumentParser(description="Compares transfers.", prog="cargo xtask transfers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size-mib", type=int, default=1024, help="size of the one file; 0 leaves it out")
    parser.add_argument("--files", type=int, default=10_000, help="how many of 4 KiB; 0 leaves them out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agb-transfers-") as folder:
        compare(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
