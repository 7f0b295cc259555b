"""Files of an environment against the records of what was installed."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from race_harness.environments import Environment, mended
from race_harness.environments.cache import METADATA
from race_harness.environments.integrity import changed_files
from race_harness.model.errors import ClientUnavailable

CODE = b"VALUE = 1\n"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    packages = tmp_path / "lib" / "python3.13" / "site-packages"
    info = packages / "sdk-1.0.dist-info"
    info.mkdir(parents=True)
    digest = sha256(CODE)
    coded = urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    for name in ("one.py", "two.py"):
        (packages / name).write_bytes(CODE)
    (info / "RECORD").write_text(
        f"one.py,sha256={coded},{len(CODE)}\n"
        f"two.py,sha256={digest.hexdigest()},{len(CODE)}\n"
        f'"__pycache__/one.pyc",,\n'
        "sdk-1.0.dist-info/RECORD,,\n"
    )
    (tmp_path / METADATA).write_text("{}")
    return Environment("1.0", "1.0", tmp_path / "bin" / "python", "3.13.0", tmp_path)


def packages(environment: Environment) -> Path:
    return environment.path / "lib" / "python3.13" / "site-packages"


def test_what_is_as_it_was_installed(environment: Environment) -> None:
    assert changed_files(environment.path) == []


@pytest.mark.parametrize("name", ["one.py", "two.py"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"VALUE = 2\n")])
def test_a_file_that_is_not(
    environment: Environment, name: str, damage: Callable[[Path], object]
) -> None:
    damage(packages(environment) / name)
    assert changed_files(environment.path) == [name]


def test_a_record_that_is_no_text(environment: Environment) -> None:
    (packages(environment) / "sdk-1.0.dist-info" / "RECORD").write_bytes(b"\xff\xfe")
    assert changed_files(environment.path) == ["sdk-1.0.dist-info/RECORD"]


def test_a_damaged_environment_is_built_again_and_a_whole_one_is_not(
    environment: Environment,
) -> None:
    def again() -> Environment:
        assert not (environment.path / METADATA).exists()
        built.append(environment)
        return environment

    built: list[Environment] = []
    said: list[str] = []
    assert not mended(environment, again, said.append)
    assert (built, said) == ([], [])
    (packages(environment) / "one.py").unlink()
    assert mended(environment, again, said.append)
    assert built == [environment]
    assert said == [
        "the environment of 1.0 is damaged (1 files are not as they were installed, such as "
        "one.py): it is built again"
    ]


def test_one_that_cannot_be_built_again_is_told_as_damaged(environment: Environment) -> None:
    def again() -> Environment:
        raise ClientUnavailable("no index")

    (packages(environment) / "one.py").unlink()
    with pytest.raises(ClientUnavailable, match=r"damaged .*one\.py.* built again: no index"):
        mended(environment, again)
