"""What would leave the simulation is refused and named; outside of trials it is let through."""

import _thread
import asyncio
import contextlib
import gc
import multiprocessing
import os
import select
import selectors
import socket
import subprocess
import sys
import threading
import types

import httpx
import pytest
from alone import run_alone
from sim_rig import rest

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Schedule
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # The child of the fork that is let through does nothing.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def complaints_heard(request):
    """A real event loop that is refused its selector complains when it is collected: now."""
    yield
    if "real-loop" in request.node.name:
        gc.collect()


# A module of the client's, made before any trial: its names are out of reach of patches.
client = types.ModuleType("client_of_the_tests")
exec(
    """
from _thread import start_new_thread
from socket import create_connection
from select import select
from time import sleep

def start_a_thread():
    start_new_thread(int, ())

def sleep_a_little():
    sleep(0.001)
""",
    client.__dict__,
)


def _connect_a_socket():
    with socket.socket() as unconnected:
        unconnected.settimeout(0.01)
        unconnected.connect(("127.0.0.1", 9))


def _send_a_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
        unconnected.sendto(b"x", ("127.0.0.1", 9))


def _bind_a_socket():
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))


def _fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _spawn():
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)


def _select():
    select.select([], [], [], 0)


def _poll():
    select.poll().poll(0)


def _epoll():
    select.epoll().close()


def _select_by_selectors():
    """`selectors` holds what it needs of `select` by names of its own."""
    with selectors.DefaultSelector() as selector:
        selector.select(0)


def _real_event_loop():
    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


REACHES = {
    "thread": (client.start_a_thread, "starting a real thread", "in start_a_thread"),
    "connect": (_connect_a_socket, "connecting a real socket", "in _connect_a_socket"),
    "datagram": (_send_a_datagram, "sending on a real socket", "in _send_a_datagram"),
    "bind": (_bind_a_socket, "binding a real socket", "in _bind_a_socket"),
    "name": (lambda: socket.getaddrinfo("localhost", 80), "looking up a name", "in getaddrinfo"),
    "process": (lambda: subprocess.run(["true"], check=True), "starting a process", "in run"),
    "system": (lambda: os.system("true"), "starting a process", "in <lambda>"),
    "fork": (_fork, "starting a process", "in _fork"),
    "posix_spawn": (_spawn, "starting a process", "in _spawn"),
    "select": (_select, "select.select()", "in _select"),
    "poll": (_poll, "select.poll()", "in _poll"),
    "epoll": (_epoll, "select.epoll()", "in _epoll"),
    "selectors": (_select_by_selectors, "select", "in _select_by_selectors"),
    "real-loop": (_real_event_loop, "select", "in _real_event_loop"),
}
if sys.version_info >= (3, 13):  # Python 3.12 does not announce a sleep to audit hooks.
    REACHES["sleep"] = (client.sleep_a_little, "sleeping in real time", "in sleep_a_little")
every_reach = pytest.mark.parametrize(
    ("reach", "what", "where"), REACHES.values(), ids=list(REACHES)
)


@every_reach
def test_outside_a_trial_it_is_let_through(site, reach, what, where):
    site.visit(lambda url: None)  # The hook is there.
    with contextlib.suppress(ConnectionRefusedError):  # by the real network
        reach()


@every_reach
@pytest.mark.parametrize("who", ["main", "thread", "task"])
def test_inside_a_trial_it_is_refused_and_named(site, reach, what, where, who):
    """Also if the client swallows the error: the trial has no verdict then."""

    def swallow():
        try:
            reach()
        except Exception:
            return

    async def swallow_in_task():
        swallow()

    def program(url):
        if who == "main":
            swallow()
        elif who == "task":
            asyncio.run(swallow_in_task())
        else:
            thread = threading.Thread(target=swallow)
            thread.start()
            thread.join()

    with pytest.raises(WorldBroken) as broken:
        site.visit(program)
    assert what in str(broken.value)
    assert "inside a trial was refused" in str(broken.value)
    assert where in str(broken.value)
    assert "in swallow" in str(broken.value)


@every_reach
def test_what_is_not_swallowed_names_the_same(site, reach, what, where):
    with pytest.raises(WorldBroken) as broken:
        site.visit(lambda url: reach())
    assert what in str(broken.value)
    assert where in str(broken.value)


@every_reach
def test_a_whole_trial_that_reaches_out_has_no_verdict(reach, what, where):
    class Reaching(ReferenceAdapter):
        def connect(self, url, on_event):
            made = super().connect(url, on_event)
            run = made.run

            def reach_and_run(**options):
                reach()
                run(**options)

            made.run = reach_and_run
            return made

    with pytest.raises(WorldBroken) as broken:
        run_trial(Schedule("test"), Reaching(), whole_site())
    assert what in str(broken.value)


def whole_site():
    if not _whole_sites:
        _whole_sites.append(UvicornSite())
    return _whole_sites[0]


_whole_sites: list[UvicornSite] = []


def test_a_well_behaved_program_is_not_refused_anything(site):
    """Threads, sleeps, sockets and look-ups of the simulated kind."""

    def program(url):
        with rest(url.replace("127.0.0.1", "localhost")) as connected:
            return connected.get("/peer").status_code

    assert site.visit(program).value == 200


@pytest.mark.parametrize("url", ["http://example.com/", "http://10.1.2.3:8000/", "http://[::1]/"])
def test_rest_to_another_host_is_refused(site, url):
    def program(_url):
        try:
            httpx.get(url, trust_env=False)
        except Exception as error:
            return type(error)
        return None

    with pytest.raises(WorldBroken, match="a connection to"):
        site.visit(program)


def test_rest_over_tls_is_refused(site):
    with pytest.raises(WorldBroken, match="TLS"):
        site.visit(lambda url: httpx.get(url.replace("http", "https"), trust_env=False))


def test_a_unix_socket_is_refused(site):
    def program(url):
        with httpx.Client(transport=httpx.HTTPTransport(uds="/run/docker.sock")) as connected:
            connected.get(url)

    with pytest.raises(WorldBroken, match="/run/docker"):
        site.visit(program)


def test_an_async_client_to_the_outside_is_refused(site):
    async def look_up():
        await asyncio.get_running_loop().getaddrinfo("example.com", 80)

    with pytest.raises(WorldBroken, match="name look-up"):
        site.visit(lambda url: asyncio.run(look_up()))


def test_a_thread_from_outside_that_comes_in_is_noted(site):
    """It was started before the trial and uses what belongs to the trial."""
    box, ready, go = [], _thread.allocate_lock(), _thread.allocate_lock()
    ready.acquire()
    go.acquire()

    def outside():
        go.acquire()
        try:
            box[0].acquire()
        except RuntimeError as error:
            box.append(error)
        ready.release()

    _thread.start_new_thread(outside, ())

    def program(url):
        box.append(threading.Lock())
        box[0].acquire()
        go.release()
        ready.acquire()  # Real: the baton stays here meanwhile.

    with pytest.raises(WorldBroken, match="escaped the simulation"):
        site.visit(program)
    assert isinstance(box[1], RuntimeError)


def test_the_first_refusal_is_the_one_that_is_told(site):
    def program(url):
        for reach in (_connect_a_socket, _bind_a_socket):
            try:
                reach()
            except Exception:
                continue

    with pytest.raises(WorldBroken, match="connecting a real socket"):
        site.visit(program)


def test_after_a_broken_trial_the_next_one_is_whole(site):
    with pytest.raises(WorldBroken):
        site.visit(lambda url: client.start_a_thread())
    assert site.visit(lambda url: "whole").value == "whole"


def test_the_hook_is_added_once_a_process():
    script = """
import sys
added = []
sys.addaudithook(lambda event, args: added.append(event) if event == "sys.addaudithook" else None)
from race_harness.sim import guard
for _ in range(3):
    guard.install()
print(len(added))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_multiprocessing_is_refused(site):
    def program(url):
        multiprocessing.get_context("fork").Process(target=int).start()

    with pytest.raises(WorldBroken, match="starting a process"):
        site.visit(program)


def test_copies_in_other_modules_are_virtual(monkeypatch):
    """`from time import sleep` is no real sleep; a copy kept elsewhere is refused, above."""
    module = types.ModuleType("somebodys_module")
    exec("from time import monotonic, sleep\nfrom os import urandom", module.__dict__)
    held = dict(vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def program():
        began = module.monotonic()
        module.sleep(3600)
        return module.monotonic() - began, module.urandom(8)

    assert run_alone(program, entropy=3) == run_alone(program, entropy=3)
    assert run_alone(program)[0] == 3600
    assert all(vars(module)[name] is value for name, value in held.items())
