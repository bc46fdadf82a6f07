"""gevent as a contender: the programs of src/blocking.rs and
src/blocking_servers.rs, on greenlets. See src/protocol.rs for how it is spoken
to."""

import math
import resource
import sys
import time

import gevent
from gevent import socket
from gevent.lock import RLock
from gevent.queue import Queue

END = -1
PRODUCERS, ROOM, LIMIT, MANY = 8, 128, 10, 100_000
HEAVY = 1
HEAD_ENDS = b"\r\n\r\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 13\r\n\r\nHello, World!"
)


def now():
    return time.perf_counter_ns()


def bursts(size, n):
    times = math.ceil(n / size)
    start = now()
    for _ in range(times):
        gevent.joinall([gevent.spawn(int) for _ in range(size)])
    return (now() - start) * n / (times * size)


def yields(tasks, n):
    each = math.ceil(n / tasks)

    def turns():
        for _ in range(each):
            gevent.sleep(0)

    start = now()
    gevent.joinall([gevent.spawn(turns) for _ in range(tasks)])
    return (now() - start) * n / (each * tasks)


def round_trips(n, **limit):
    there, back = Queue(1), Queue(1)

    def partner():
        while (number := there.get(**limit)) != END:
            back.put(number)

    task = gevent.spawn(partner)
    start = now()
    for number in range(n):
        there.put(number)
        assert back.get(**limit) == number
    took = now() - start
    there.put(END)
    task.join()
    return took


def many_to_one(n):
    each, numbers = math.ceil(n / PRODUCERS), Queue(ROOM)

    def produce():
        for number in range(each):
            numbers.put(number)

    start = now()
    for _ in range(PRODUCERS):
        gevent.spawn(produce)
    total = sum(numbers.get() for _ in range(each * PRODUCERS))
    took = now() - start
    assert total == PRODUCERS * (each * (each - 1) // 2)
    return took * n / (each * PRODUCERS)


def locks(tasks, n):
    lock, each, number = RLock(), math.ceil(n / tasks), 0

    def add():
        nonlocal number
        for _ in range(each):
            with lock:
                number += 1
                if tasks > 1:
                    gevent.sleep(0)

    start = now()
    gevent.joinall([gevent.spawn(add) for _ in range(tasks)])
    took = now() - start
    assert number == each * tasks
    return took * n / (each * tasks)


def all_asleep(count):
    started = 0

    def sleep():
        nonlocal started
        started += 1
        gevent.sleep(3600)

    tasks = [gevent.spawn(sleep) for _ in range(count)]
    while started < count:
        gevent.sleep(0.001)
    gevent.sleep(0.02)
    return tasks


def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024


def idle(count):
    before = resident()
    tasks = all_asleep(count)
    return resident() - before if tasks else 0


def echo(client, size):
    while request := client.recv(size):
        if request[0] == HEAVY:
            until = now() + 200_000
            while now() < until:
                pass
        client.sendall(request)


def exchange(client):
    client.sendall(client.recv(1024))


def plaintext(client):
    left = b""
    while some := client.recv(4096):
        heads = (left + some).split(HEAD_ENDS)
        left = heads[-1]
        client.sendall(ANSWER * (len(heads) - 1))


def proxy(client, backend):
    with connect(backend) as server:
        while request := client.recv(1024):
            ask(server, request)
            client.sendall(request)


def connect(port):
    connection = socket.socket()
    connection.connect(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(server, message):
    server.sendall(message)
    missing = len(message)
    while missing:
        some = server.recv(missing)
        assert some
        missing -= len(some)


def serve(session):
    # create_server would make a socket of the standard library's.
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)

    def talk(client):
        with client:
            try:
                session(client)
            except ConnectionError:
                pass

    def accept():
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            gevent.spawn(talk, client)

    gevent.spawn(accept)
    return listener.getsockname()[1]


def fan_out(width, backend, n):
    done, askers = Queue(width), [Queue(1) for _ in range(width)]

    def ask_when_told(asked):
        with connect(backend) as server:
            done.put(END)
            while (number := asked.get()) != END:
                ask(server, b"*" * 64)
                done.put(number)

    for asked in askers:
        gevent.spawn(ask_when_told, asked)
    for _ in askers:
        done.get()  # one more is connected
    start = now()
    for number in range(n):
        for asked in askers:
            asked.put(number)
        for _ in askers:
            assert done.get() == number
    took = now() - start
    for asked in askers:
        asked.put(END)
    return took


def first_guess(enough, run):
    count = 1
    while (took := run(count)) < enough:
        count *= 2
    return took / count


def rounds(workload, number, run):
    # Not by gevent's means: nothing else has to run while it waits here.
    each = None
    for line in sys.stdin:
        target = int(line.removeprefix("round ")) * 1e6
        if workload == "idle":
            count, amount = number, idle(number)
        elif workload == "burst" and number >= MANY:
            count, amount = number, bursts(number, number)
        else:
            each = each or first_guess(target / 4, run)
            count = max(int(target / each), 1)
            amount = max(run(count), 1)
            each = amount / count
        print("done", count, int(amount), flush=True)


def main(workload, number, backend):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sessions = {
        "echo": lambda client: echo(client, max(number, 1024)),
        "short": exchange,
        "http": plaintext,
        "proxy": lambda client: proxy(client, backend),
    }
    counted = {
        "yield": lambda n: yields(number, n),
        "spawn": lambda n: bursts(1, n),
        "burst": lambda n: bursts(number, n),
        "channel": round_trips,
        "many-to-one": many_to_one,
        "mutex": lambda n: locks(number, n),
        "timer": lambda n: round_trips(n, timeout=LIMIT),
        "fan-out": lambda n: fan_out(number, backend, n),
        "idle": None,
    }
    if workload in sessions:
        print("ready", serve(sessions[workload]), flush=True)
        gevent.get_hub().threadpool.apply(sys.stdin.read)
        return
    asleep = all_asleep(number) if workload == "timer" else []
    run = counted[workload]
    print("ready 0", flush=True)
    rounds(workload, number, run)
    del asleep


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), int(sys.argv[5]))
