"""Compare uploads of one large file: `agb serve`, nginx with `dav_methods PUT`, and MD5 alone over the same bytes.

Requires nginx with the module http_dav. All of them run one after the other in each round, on the same machine and disk. The
client is a loop that sends memory to a socket, so that it takes little of the processor.

    python3 benches/uploads.py --agb NAME=PATH [--agb NAME=PATH] [--rounds 9] [--mib 64] [--folder DIR]
"""

import argparse
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse

KEY = "comparison-key"
TICK = os.sysconf("SC_CLK_TCK")


def processor_time(processes):
    """Return the user and system time of processes in seconds."""
    total = 0
    for process in processes:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


class Target:
    """A server that accepts uploads over one connection."""

    def connect(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = f"{address[0]}:{address[1]}"

    def put(self, target, body):
        head = f"PUT {target} HTTP/1.1\r\nhost: {self.host}\r\ncontent-length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode())
        self.socket.sendall(body)
        response = http.client.HTTPResponse(self.socket, method="PUT")
        response.begin()
        response.read()
        assert response.status in (200, 201, 204), response.status
        return response

    def upload(self, body):
        raise NotImplementedError

    def processes(self):
        return [self.process.pid]

    def stop(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()


class Service(Target):
    def __init__(self, program, folder):
        self.process = subprocess.Popen(
            [program, "serve", "--listen", "127.0.0.1:0", "--data-dir", folder, "--api-key", KEY],
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith("listening on "):
                break
        address = urllib.parse.urlsplit(line.split()[-1])
        self.connect((address.hostname, address.port))
        self.calls = http.client.HTTPConnection(address.netloc)
        self.context = self.call("GET", "GetContext", name="c", allowCreate="true")["id"]

    def call(self, method, operation, **parameters):
        target = f"/sdk/{operation}?{urllib.parse.urlencode(parameters)}"
        self.calls.request(method, target, headers={"authorization": f"Bearer {KEY}"})
        return json.load(self.calls.getresponse())["data"]

    def prepare(self, name):
        url = self.call(
            "POST", "GetContextFileUploadUrl", contextId=self.context, filePath=f"/{name}"
        )["url"]
        parts = urllib.parse.urlsplit(url)
        return f"{parts.path}?{parts.query}"

    def check(self, response, body):
        assert response.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'


class Nginx(Target):
    CONFIGURATION = """
    daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
    events {{ worker_connections 64; }}
    http {{
        access_log off; client_max_body_size 0; client_body_temp_path {folder}/body;
        proxy_temp_path {folder}/t1; fastcgi_temp_path {folder}/t2; uwsgi_temp_path {folder}/t3; scgi_temp_path {folder}/t4;
        server {{ listen 127.0.0.1:{port}; root {folder}/root; location / {{ dav_methods PUT; }} }}
    }}"""

    def __init__(self, folder):
        for name in ["", "root"]:
            (folder / name).mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        configuration = folder / "nginx.conf"
        configuration.write_text(self.CONFIGURATION.format(folder=folder, port=port))
        self.user = "nobody" if os.getuid() == 0 else None
        if self.user:
            for path in [folder, folder / "root"]:
                shutil.chown(path, self.user)
        command = ["nginx", "-p", folder, "-c", configuration, "-e", folder / "error.log"]
        self.process = subprocess.Popen(command, user=self.user)
        while True:
            try:
                self.connect(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                time.sleep(0.02)

    def processes(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]

    def prepare(self, name):
        return f"/{name}"

    def check(self, response, body):
        pass


def measure(target, name, body, uploads):
    """Return the seconds of an upload, and the processor time of the server for it."""
    prepared = [target.prepare(f"{name}-{number}") for number in range(uploads)]
    used = processor_time(target.processes())
    times = []
    for place in prepared:
        start = time.perf_counter()
        response = target.put(place, body)
        times.append(time.perf_counter() - start)
        target.check(response, body)
    used = processor_time(target.processes()) - used
    return statistics.median(times), used / uploads


def show(name, values, unit=1000, digits=0):
    spread = f"({min(values) * unit:.{digits}f} to {max(values) * unit:.{digits}f})"
    return f"{name}: {statistics.median(values) * unit:.{digits}f} {spread}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agb", action="append", required=True, metavar="NAME=PATH")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--uploads", type=int, default=4, help="of each target in a round")
    parser.add_argument("--mib", type=float, default=64)
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    body = os.urandom(int(options.mib * 1024 * 1024))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        targets = {}
        for text in options.agb:
            name, _, path = text.partition("=")
            targets[name] = Service(path, folder / name)
        if shutil.which("nginx"):
            targets["nginx"] = Nginx(folder / "nginx")
        times = {name: [] for name in ["MD5", *targets]}
        used = {name: [] for name in targets}
        for round_number in range(options.rounds + 1):
            start = time.perf_counter()
            for _ in range(options.uploads):
                hashlib.md5(body).digest()
            hashing = (time.perf_counter() - start) / options.uploads
            row = {"MD5": (hashing, 0)}
            for name, target in targets.items():
                row[name] = measure(target, round_number % 2, body, options.uploads)
            if round_number == 0:
                continue  # Warms up.
            for name, (elapsed, processor) in row.items():
                times[name].append(elapsed)
                if name in used:
                    used[name].append(processor)
        for target in targets.values():
            target.stop()
    print(show("MD5 alone, ms", times["MD5"]))
    for name in targets:
        print(show(f"{name}: ms", times[name]), "|", show("processor, ms", used[name]))
        for other in times:
            if other != name:
                ratios = [own / theirs for own, theirs in zip(times[name], times[other])]
                print("   ", show(f"time relative to {other}", ratios, 1, 2))
        for other in used:
            if other != name:
                ratios = [own / theirs for own, theirs in zip(used[name], used[other])]
                print("   ", show(f"processor relative to {other}", ratios, 1, 2))


if __name__ == "__main__":
    main()
