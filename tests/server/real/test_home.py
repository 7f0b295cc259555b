"""Where a trial's real server lives."""

import subprocess
import sys

IN_A_PROCESS_OF_ITS_OWN = """
import os
from pathlib import Path
from race_harness.server.real import home

settled = home.settle()
paths = []
for trial in range(2):
    path = home.enter()
    Path("conversation").write_text("")
    (Path.home() / ".openhands").mkdir()
    paths.append(str(Path.home()))
    assert Path.cwd() == path and sorted(os.listdir(path)) == ["conversation", "home"]
    home.leave(path)
    assert not path.exists() and Path.home().is_dir()
if not os.fork():
    home.enter()
    os._exit(0)
os.wait()
assert paths[0] == paths[1] or not Path("/proc/self/cwd").exists()
print(settled)
"""


def test_each_trial_has_a_fresh_home_of_the_same_name_and_none_is_left() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN], capture_output=True, text=True, check=True
    )
    left = subprocess.run(["ls", done.stdout.strip()], capture_output=True, check=False)
    assert left.returncode != 0
