"""What would leave the simulation is refused and named; outside of trials it is let through."""

import _socket
import _thread
import asyncio
import multiprocessing
import os
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


# A module of the client's whose names are out of reach of stand-ins: its `time` is one of its own.
client = types.ModuleType("client_of_the_tests")
exec(
    """
from _thread import start_new_thread
from socket import create_connection
from select import select
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec

time = module_from_spec(BuiltinImporter.find_spec("time"))
BuiltinImporter.exec_module(time)

def start_a_thread():
    start_new_thread(int, ())

def sleep_a_little():
    time.sleep(0.001)
""",
    client.__dict__,
)


def _make_a_socket():
    """By the class in C, which nothing stands in for."""
    _socket.socket().close()


def _send_a_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
        unconnected.sendto(b"x", ("127.0.0.1", 9))


def _make_a_unix_socket():
    socket.socket(socket.AF_UNIX).close()


def _look_up():
    _socket.getaddrinfo("localhost", 80)


def _fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _spawn():
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)


REACHES = {
    "thread": (client.start_a_thread, "starting a real thread", "in start_a_thread"),
    "socket": (_make_a_socket, "making a real socket", "in _make_a_socket"),
    "datagram": (_send_a_datagram, "a socket of AF_INET, SOCK_DGRAM", "in _send_a_datagram"),
    "unix": (_make_a_unix_socket, "a socket of AF_UNIX, SOCK_STREAM", "in _make_a_unix_socket"),
    "name": (_look_up, "looking up a name", "in _look_up"),
    "process": (lambda: subprocess.run(["true"], check=True), "starting a process", "in run"),
    "system": (lambda: os.system("true"), "starting a process", "in <lambda>"),
    "fork": (_fork, "starting a process", "in _fork"),
    "posix_spawn": (_spawn, "starting a process", "in _spawn"),
}
if sys.version_info >= (3, 13):  # Python 3.12 does not announce a sleep to audit hooks.
    REACHES["sleep"] = (client.sleep_a_little, "sleeping in real time", "in sleep_a_little")
every_reach = pytest.mark.parametrize(
    ("reach", "what", "where"), REACHES.values(), ids=list(REACHES)
)


@every_reach
def test_outside_a_trial_it_is_let_through(site, reach, what, where):
    site.visit(lambda url: None)  # The hook is there.
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


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/", "a name look-up of 'example.com'"),
        ("http://10.1.2.3:8000/", "a connection to 10.1.2.3:8000"),
    ],
)
def test_rest_to_another_host_is_refused(site, url, says):
    def program(_url):
        try:
            httpx.get(url, trust_env=False)
        except Exception as error:
            return type(error)
        return None

    with pytest.raises(WorldBroken, match=says):
        site.visit(program)


def test_there_is_no_ipv6(site):
    """As on a machine that has none: an error for the client, not the end of the trial."""

    def program(_url):
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://[::1]/", trust_env=False)
        with pytest.raises(OSError, match="Address family not supported"):
            socket.socket(socket.AF_INET6)
        return True

    assert site.visit(program).value


def test_rest_over_tls_is_refused(site):
    with pytest.raises(WorldBroken, match="TLS"):
        site.visit(lambda url: httpx.get(url.replace("http", "https"), trust_env=False))


def test_a_unix_socket_is_refused(site):
    def program(url):
        with httpx.Client(transport=httpx.HTTPTransport(uds="/run/docker.sock")) as connected:
            connected.get(url)

    with pytest.raises(WorldBroken, match="AF_UNIX"):
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
        for reach in (_send_a_datagram, _make_a_unix_socket):
            try:
                reach()
            except Exception:
                continue

    with pytest.raises(WorldBroken, match="SOCK_DGRAM"):
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


def test_a_name_that_a_module_keeps_is_virtual_in_a_trial():
    """`from time import sleep` is no real sleep; outside it is real."""
    module = types.ModuleType("somebodys_module")
    exec("from time import monotonic, sleep\nfrom os import urandom", module.__dict__)

    def program():
        began = module.monotonic()
        module.sleep(3600)
        return module.monotonic() - began, module.urandom(8)

    assert run_alone(program, entropy=3) == run_alone(program, entropy=3)
    assert run_alone(program)[0] == 3600
    assert module.urandom(8) != module.urandom(8)
