"""A client under test: where its interpreter is and which adapter drives it."""

import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from packaging.requirements import InvalidRequirement, Requirement

from race_harness.clients import own_clients
from race_harness.model.combination import SIM_FAKE, WORLDS, Combination
from race_harness.model.errors import ClientUnavailable, UsageError
from race_harness.model.extras import extra
from race_harness.model.permission import (
    is_anybodys,
    is_release,
    may_run_client,
    may_run_release,
    option,
)
from race_harness.model.version import __version__
from race_harness.store.series import Series
from race_harness.workers.pool import Workers
from race_harness.workers.selection import PREFIX as TESTS
from race_harness.workers.selection import Selection

if TYPE_CHECKING:
    from race_harness.environments import Environment

SDK: Final = "openhands-sdk"
AGENT_SERVER: Final = "openhands-agent-server"

INSTALLED = "installed"
"""The client argument for the `openhands-sdk` of the environment that the harness runs in."""


@dataclass(frozen=True)
class ClientUnderTest:
    argument: str
    """As typed."""
    resolved_version: str
    python: Path
    adapter: str
    """Its name, as `workers.worker` takes it."""
    combination: Combination = SIM_FAKE
    """Where its trials run: the world, and the server that it runs against."""
    mend: Callable[[], bool] | None = field(default=None, compare=False, repr=False)
    """Mends the environment, as `Workers` takes it."""
    server_python: Path | None = None
    """Interpreter of the real server's own environment, if it has one."""

    @property
    def is_sdk(self) -> bool:
        """Whether what is known of releases of `openhands-sdk` applies to it."""
        return self.adapter == "openhands"

    @property
    def is_confirmed_beside_real(self) -> bool:
        """Whether its failures were met elsewhere than on the real server of its release, in the
        simulation, and can be tried there."""
        return self.is_sdk and self.combination.served_by == "fake"

    @property
    def server(self) -> str:
        """The server it runs against: `fake`, `real`, or `own` for one that comes with the client;
        followed by a release if that is not the client's own: `fake:1.58.2`."""
        return self.combination.served_by

    @property
    def world(self) -> str:
        return self.combination.world

    @property
    def anywhere(self) -> str:
        """The argument in a form that works in any directory."""
        if self.adapter.startswith(TESTS):
            return self.argument
        return self.adapter if own_clients.split(self.adapter) else self.argument

    def workers(self, jobs: int = 1) -> Workers:
        """Start its worker processes, for `jobs` trials at once; see `Workers` for errors."""
        return Workers(
            *(self.python, self.adapter, jobs, self.combination, self.mend), self.server_python
        )

    def series(
        self,
        server_version: str,
        scenario: str,
        *,
        seed: int = 0,
        position: int = 0,
        drawn: bool,
        reps: int | None = None,
    ) -> Series:
        """What its trials share, on workers with this `server_version`; see `Series`."""
        return Series(
            position=position,
            client=self.anywhere,
            resolved_version=self.resolved_version,
            world=self.world,
            server=self.server,
            server_version=server_version,
            scenario=scenario,
            seed=seed,
            drawn=drawn,
            reps=reps,
        )


def find_client(
    argument: str,
    progress: Callable[[str], None],
    *,
    server: str = "fake",
    world: str = "sim",
) -> ClientUnderTest:
    """Resolve a client argument, building its environment where it needs one.

    A release, `latest`, a PATH or PATH@REVISION, as `environments` takes them; or
    `installed`; or `reference`, `reference:BUG` for the small client that comes with the harness;
    or `FILE.py`, `FILE.py:NAME` for a client of the user's own (`clients.own_clients`), which
    brings its own server.

    `server` is `fake`; or `real`, the agent server of the client's own release or tree, for the
    reference client that of the newest release. `fake:1.43.1` and `real:1.43.1` are those of
    another release. A real server of another release than the SDK's runs only over real sockets:
    in the simulation both share one process, and so one SDK.

    Raises:
        ClientUnavailable: the client, or its server, is not available.
        UsageError: there is no such server or world, or not for this client; the reference client
            has no such bug.
        WorldBroken: a client of the user's own leaves the simulation in its first trials.
    """
    kind, release = _server(server)
    if world not in WORLDS:
        raise UsageError(f"no world {world!r}; there are: {', '.join(WORLDS)}")
    here = Path(sys.executable)
    if own := own_clients.split(argument):
        path, name = own
        own_clients.check_file(path)
        if kind == "real":
            raise UsageError(f"{argument} brings its own server: leave --server {server} out")
        adapter = f"{path.resolve()}:{name}"
        own_client = ClientUnderTest(argument, "", here, adapter, Combination(world, "own"))
        return replace(own_client, resolved_version=_version_told(own_client))
    if kind == "fake" and release and not is_release(release):
        raise UsageError(f"the fake server plays releases, such as fake:1.58.2, not {release}")
    combination = Combination(world, kind)
    if is_reference(argument):
        _check_reference(argument)
        if kind == "real":
            found, mend = _environment(release or "latest", progress, combination)
            return ClientUnderTest(
                argument, __version__, found.python, argument, combination, mend
            )
        return ClientUnderTest(
            argument, __version__, here, argument, replace(combination, release=release)
        )
    if release:
        return _beside_another(argument, combination, release, progress)
    if argument == INSTALLED:
        return ClientUnderTest(argument, _installed(kind), here, "openhands", combination)
    found, mend = _environment(argument, progress, combination)
    version, python = found.resolved_version, found.python
    return ClientUnderTest(argument, version, python, "openhands", combination, mend)


def _beside_another(
    argument: str, combination: Combination, release: str, progress: Callable[[str], None]
) -> ClientUnderTest:
    """An SDK, with the server of a release that need not be its own."""
    if release == argument:
        return find_client(argument, progress, server=combination.server, world=combination.world)
    if combination.server == "real" and not combination.in_real_time:
        raise UsageError(
            f"{argument} and the real server of {release} cannot share the simulation, which has "
            f"one openhands-sdk for both: add --world real, or say --server fake:{release}"
        )
    alone = find_client(argument, progress, world=combination.world)
    if combination.server == "fake":
        return replace(alone, combination=replace(combination, release=release))
    found, _ = _environment(release, progress, combination)
    combination = replace(combination, release=found.resolved_version)
    return replace(alone, combination=combination, server_python=found.python)


def find_tests(
    argument: str,
    selection: Selection,
    requirements: Sequence[str],
    progress: Callable[[str], None],
) -> ClientUnderTest:
    """The user's own tests: for `installed`, in the environment of the harness; for a requirement
    such as `websockets==15.0.1`, in the same with that version; for a client, a release or a tree,
    in its environment, with its server and these requirements.

    Raises:
        ClientUnavailable: the environment is not available; there is no pytest.
        UsageError: requirements do not apply to the environment of the harness; the tests shall be
            those of the client's own tree, and it has no tree, or not these tests.
    """
    if selection.at_client:
        selection = _at_client(argument, selection, progress)
    adapter, combination = selection.to_adapter(), Combination("sim", "own")
    wanted = requirement_of(argument)
    if argument != INSTALLED and wanted is None:
        from race_harness.environments import mended, prepare_for_tests

        prepared = partial(prepare_for_tests, argument, requirements, progress=progress)
        found = prepared()
        version, python = found.resolved_version, found.python
        mend = partial(mended, found, prepared, progress)
        return ClientUnderTest(argument, version, python, adapter, combination, mend)
    if requirements:
        raise UsageError("--with is for the environment of a client: install it here yourself")
    try:
        importlib.metadata.version("pytest")
    except importlib.metadata.PackageNotFoundError:
        raise ClientUnavailable(
            "pytest is not installed in this environment, beside race-harness: install it"
        ) from None
    if wanted is not None:
        from race_harness.environments import prepare_layer

        layer = prepare_layer(wanted, progress)
        version, python = layer.resolved_version, layer.python
        return ClientUnderTest(str(wanted), version, python, adapter, combination)
    return ClientUnderTest(INSTALLED, INSTALLED, Path(sys.executable), adapter, combination)


def _at_client(argument: str, selection: Selection, progress: Callable[[str], None]) -> Selection:
    """The tests of these names in the client's own tree."""
    if argument == INSTALLED or requirement_of(argument) is not None:
        raise UsageError(
            f"{argument} has no tree of its own: with --test-at-client, name a checkout or "
            "PATH@REVISION"
        )
    from race_harness.environments import prepare_tree

    tree = prepare_tree(argument, progress)
    for path in selection.paths:
        file = path.partition("::")[0]
        if Path(file).is_absolute() or not (tree / file).exists():
            raise UsageError(f"{argument} has no {file} in its own tree")
    return replace(selection, tree=str(tree))


def requirement_of(argument: str) -> Requirement | None:
    """The argument as a requirement, if it gives a version or a location."""
    try:
        found = Requirement(argument)
    except InvalidRequirement:
        return None
    # `folder@main` is a commit of a repository.
    return found if found.specifier or "://" in (found.url or "") else None


def check_requirement(argument: str) -> None:
    """Raises UsageError: the argument is no requirement with a version, or not for this Python."""
    found = requirement_of(argument)
    if found is None:
        raise UsageError(
            f"{argument!r} is no requirement with a version: write one such as "
            "websockets==15.0.1, or 'NAME @ URL'"
        )
    if found.marker is not None and not found.marker.evaluate():
        raise UsageError(f"{argument!r} is not for this Python: leave out what follows the `;`")


class Met(Protocol):
    """A client as it was met in a trial, such as that of a failure file."""

    @property
    def client(self) -> str:
        """As typed; a file with its whole path."""

    @property
    def resolved_version(self) -> str: ...

    @property
    def server_version(self) -> str | None: ...

    @property
    def combination(self) -> Combination:
        """The world and server of that trial."""


def recorded(met: Met, combination: Combination | None = None) -> tuple[str, str]:
    """Client and server of a trial, as `find_client` takes them; or those with which to try it in
    another combination.
    """
    wanted = combination or met.combination
    # `latest` may have moved on since.
    argument = met.resolved_version if met.client == "latest" else met.client
    if wanted.release:
        return argument, wanted.served_by
    if wanted.server != "real":
        return argument, "fake"
    if argument == INSTALLED and met.combination.server != "real":
        # The environment at hand has no server, but the client's release has one.
        argument = met.resolved_version
    of_a_release = is_reference(argument) and met.server_version
    return argument, f"real:{met.server_version}" if of_a_release else "real"


def permitted(
    met: Met, named: str | None = None, combination: Combination | None = None
) -> tuple[str, str]:
    """The same for a trial from a file; a path in it runs only if the command line names one.

    `named`: the client on the command line, which replaces a path.

    Raises:
        UsageError: the file asks for a path, and none is named; or for a server of no release.
    """
    argument, server = recorded(met, combination)
    if named is not None and not is_anybodys(argument):
        return named, asked_of(combination or met.combination)
    may_run_client(argument, f"add {option('client', argument)}")
    if release := server.partition(":")[2]:
        may_run_release(release)
    return argument, server


def asked_of(combination: Combination) -> str:
    """The server that a file names, as `find_client` takes it for any client.

    Raises:
        UsageError: it names a release, and that is none.
    """
    if combination.release:
        may_run_release(combination.release)
    return "fake" if combination.server == "own" else combination.served_by


def is_reference(argument: str) -> bool:
    """Whether the client is the small one that comes with the harness."""
    return argument.partition(":")[0] == "reference"


def _server(argument: str) -> tuple[str, str]:
    """The kind of server, and the named release, or an empty text."""
    kind, colon, release = argument.partition(":")
    if kind not in ("fake", "real") or (colon and not release):
        raise UsageError(
            f"no server {argument!r}; there are: fake, real, and fake:RELEASE and real:RELEASE "
            "for that of another release than the client's"
        )
    return kind, release


def _environment(
    argument: str, progress: Callable[[str], None], combination: Combination
) -> tuple["Environment", Callable[[], bool]]:
    """An environment, and a function that mends it."""
    # Imported here: it takes a second, and a client that is here already does not need it.
    from race_harness.environments import mended, prepare

    prepared = partial(prepare, with_server=combination.server == "real", progress=progress)
    found = prepared(argument)
    # `latest` may mean another release by the time of mending.
    same = found.resolved_version if argument == "latest" else argument
    return found, partial(mended, found, partial(prepared, same), progress)


def _installed(server: str) -> str:
    """The version of the `openhands-sdk` that is installed here."""
    try:
        version = importlib.metadata.version(SDK)
    except importlib.metadata.PackageNotFoundError:
        raise ClientUnavailable(
            f"{SDK} is not installed in this environment: install it, or name a client such as "
            "1.58.0"
        ) from None
    if server == "real":
        try:
            importlib.metadata.version(AGENT_SERVER)
        except importlib.metadata.PackageNotFoundError:
            raise ClientUnavailable(
                f"{AGENT_SERVER} is not installed in this environment: install that of {version}, "
                f"or name the client by its release, {version}"
            ) from None
    return version


def _version_told(client: ClientUnderTest) -> str:
    """The version, from a worker: this process imports no foreign code."""
    with client.workers() as workers:
        workers.wait_ready()
        return workers.version


def _check_reference(argument: str) -> None:
    with extra("reference", "the reference client", error=ClientUnavailable):
        from race_harness.clients.reference import ReferenceAdapter
    ReferenceAdapter.named(argument)
