"""Compares transfers by the SDK, curl, plain reqwest and the official Python SDK, against the same service.

`cargo xtask transfers` builds the programs, starts `agb serve` and runs this script with its own arguments. To run it by
hand, set AGB_ENDPOINT, AGB_API_KEY and TRANSFER (the path of the example transfer), and use an interpreter with
tests/python/requirements.txt installed.

In each round all clients run one after the other, starting with a different one each round. Each downloads what another
has uploaded, and all downloads are compared with the original. Between two commands, `sync` writes all data to the disk.
Peak memory is read from /proc while a command runs, on Linux only. So is the processor time of the service, if
AGB_SERVE_PID is set; that of the commands is added.
"""

import argparse
import contextlib
import filecmp
import json
import os
import pathlib
import resource
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
SERVICE = os.environ.get("AGB_SERVE_PID")
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
    """Returns the peak resident memory of a process in KiB, or 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def processor():
    """Returns the processor time of ended commands and of the service, in seconds."""
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = commands.ru_utime + commands.ru_stime
    if SERVICE:
        fields = pathlib.Path(f"/proc/{SERVICE}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def measured(*commands):
    """Runs commands one after the other. Returns the seconds of all, their processor time and the largest peak memory."""
    os.sync()
    most = 0
    before = processor()
    start = time.perf_counter()
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
    return time.perf_counter() - start, processor() - before, most


def same_file(one, other):
    if not filecmp.cmp(one, other, shallow=False):
        sys.exit(f"{other} differs from the uploaded file")


def same_folder(one, other):
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    if files != sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file()):
        sys.exit(f"{other} does not contain the uploaded files")
    for file in files:
        same_file(one / file, other / file)


def curl_up(source, remote):
    # A content type would change the signature.
    return ["curl", "-fsS", "-T", source, "-H", "Content-Type:", url("up-url", remote)]


def curl_down(remote, target):
    return ["curl", "-fsS", "-o", target, url("down-url", remote)]


# The commands of each client. Preparing them is not measured.
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
    "plain": lambda source, remote: [transfer("plain-up", source, remote)],
    "SDK": lambda source, remote: [transfer("up-dir", source, remote)],
    "Python": lambda source, remote: [python("up", source, remote)],
}
MANY_DOWN = {
    "plain": lambda remote, target: [transfer("plain-down", remote, target)],
    "plain, then sync": lambda remote, target: [transfer("plain-down", remote, target), ["sync", "-f", target]],
    "SDK": lambda remote, target: [transfer("down-dir", remote, target)],
    "SDK, not durable": lambda remote, target: [transfer("fast-down-dir", remote, target)],
    "Python": lambda remote, target: [python("down", remote, target)],
}


class Table:
    """The measurements of each job and client."""

    def __init__(self):
        self.seconds = {}
        self.processor = {}
        self.memory = {}

    def add(self, job, client, seconds, processor, memory):
        self.seconds.setdefault(job, {}).setdefault(client, []).append(seconds)
        self.processor.setdefault(job, {}).setdefault(client, []).append(processor)
        self.memory.setdefault(job, {}).setdefault(client, []).append(memory)
        print(f"  {job}, {client}: {seconds:.2f} s, processor {processor:.2f} s, {memory / 1024:.0f} MiB", flush=True)

    def write(self, path):
        """Writes a line of JSON for each measurement."""
        with open(path, "w") as file:
            for job, all_seconds in self.seconds.items():
                for client, seconds in all_seconds.items():
                    for number, memory in zip(seconds, self.memory[job][client]):
                        sample = {"job": job, "client": client, "seconds": number, "mebibytes": memory / 1024}
                        file.write(json.dumps(sample) + "\n")

    def show(self):
        ours = ["SDK", "SDK, not durable"]
        print("\n| job | client |" + "".join(f" time relative to: {name} |" for name in ours) + " processor time | peak memory |")
        print("| --- | --- | --- | --- | --- | --- |")
        for job, all_seconds in self.seconds.items():
            for client, seconds in all_seconds.items():
                ratios = [spread(seconds, all_seconds.get(sdk)) for sdk in ours]
                memory = max(self.memory[job][client]) / 1024
                processor = statistics.median(self.processor[job][client])
                print(f"| {job} | {client} | {' | '.join(ratios)} | {processor:.2f} s | {memory:.0f} MiB |")


def spread(theirs, ours):
    """Median, minimum and maximum of the ratio of times. Above 1 the SDK is faster."""
    if ours is None:
        return ""
    ratios = sorted(their / our for their, our in zip(theirs, ours))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def run_round(table, job, clients, number, arguments, after=lambda *_: None):
    """One round of one job."""
    names = list(clients)
    for name in names[number % len(names):] + names[: number % len(names)]:
        values = arguments(name)
        commands = [[str(part) for part in command] for command in clients[name](*values)]
        table.add(job, name, *measured(*commands))
        after(*values)


def compare(options, folder):
    table = Table()
    one, downloaded = folder / "one", folder / "downloaded"
    if options.size_mib:
        make_one(one, options.size_mib)
    many = folder / "many"
    make_many(many, options.files)

    def check_one(_, target):
        same_file(one, target)
        target.unlink()

    def check_many(_, target):
        # The folder stays: after many files are deleted, ext4 creates new ones slowly for minutes.
        same_folder(many, target)

    def new_folder():
        return pathlib.Path(tempfile.mkdtemp(dir=folder))

    for number in range(options.rounds):
        print(f"round {number + 1}", flush=True)
        if options.size_mib:
            run_round(table, "upload one", ONE_UP, number, lambda client: (one, f"/one-{client}"))
            source = {"SDK": "/one-curl", "SDK, not durable": "/one-curl"}
            run_round(
                table, "download one", ONE_DOWN, number,
                lambda client: (source.get(client, "/one-SDK"), downloaded), check_one,
            )
        if options.files:
            remote = {client: f"/many-{client}-{number}" for client in MANY_UP}
            run_round(table, "upload many", MANY_UP, number, lambda client: (many, remote[client]))
            source = {
                "SDK": "plain", "SDK, not durable": "Python", "plain": "SDK", "plain, then sync": "Python", "Python": "SDK",
            }
            run_round(
                table, "download many", MANY_DOWN, number,
                lambda client: (remote[source[client]], new_folder()), check_many,
            )
    table.show()
    if options.samples:
        table.write(options.samples)


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
    """Returns the contexts of the official SDK, the id of the context, and a function for the session of a thread."""
    os.environ.setdefault("AGB_LOG_LEVEL", "CRITICAL")
    import requests
    from agb import AGB
    from agb.config import Config

    contexts = AGB(api_key=KEY, cfg=Config(endpoint=ENDPOINT, timeout_ms=60_000)).context
    local = threading.local()

    def session():
        if not hasattr(local, "session"):
            local.session = requests.Session()
        return local.session

    return contexts, contexts.get("bench", create=True).context_id, session


def python_up(source, remote):
    contexts, context, session = official()

    def upload(path):
        name = f"{remote}/{path.relative_to(source).as_posix()}"
        address = contexts.get_file_upload_url(context, name).url
        session().put(address, data=path.read_bytes()).raise_for_status()

    files = [path for path in pathlib.Path(source).rglob("*") if path.is_file()]
    with ThreadPoolExecutor(PYTHON_THREADS) as pool:
        list(pool.map(upload, files))


def python_down(remote, target):
    contexts, context, session = official()

    def list_files(folder):
        for number in range(1, sys.maxsize):
            entries = contexts.list_files(context, folder, number, 1000).entries
            for entry in entries:
                if entry.file_type == "folder":
                    yield from list_files(entry.file_path)
                else:
                    yield entry.file_path
            if len(entries) < 1000:
                return

    def download(path):
        response = session().get(contexts.get_file_download_url(context, path).url)
        response.raise_for_status()
        file = pathlib.Path(target) / path.removeprefix(f"{remote}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(response.content)

    with ThreadPoolExecutor(PYTHON_THREADS) as pool:
        list(pool.map(download, list_files(remote)))


def main():
    if sys.argv[1:2] == ["up"]:
        return python_up(*sys.argv[2:])
    if sys.argv[1:2] == ["down"]:
        return python_down(*sys.argv[2:])
    parser = argparse.ArgumentParser(description="Compares transfers.", prog="cargo xtask transfers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size-mib", type=int, default=1024, help="size of the single file; 0 skips it")
    parser.add_argument("--files", type=int, default=10_000, help="number of files of 4 KiB; 0 skips them")
    parser.add_argument("--samples", help="file that receives a line of JSON for each measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agb-transfers-") as folder:
        compare(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
