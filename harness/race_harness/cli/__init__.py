"""The command line. It imports nothing slow up here: `main` must handle signals before that."""

import signal
import sys

from race_harness.model.supported import complaint

if (says := complaint()) is not None:
    # Before the imports, which fail on such a machine.
    print(f"race: {says}", file=sys.stderr)
    sys.exit(2)

from race_harness.upkeep import interrupts


def main() -> None:
    """`race`: an error becomes one line on stderr and an exit status; a signal only a status."""
    with interrupts.raising() as interrupted:
        try:
            from race_harness.cli import command_line

            status = command_line.run()
        except SystemExit as ended:
            status = ended.code
        except BaseException:
            # An interrupt may have become another exception on its way here.
            if interrupted.first is None:
                raise
            status = 130
    # Ctrl-C is the regular end of `race serve`.
    if interrupted.first is not None and (status or interrupted.first != signal.SIGINT):
        status = interrupted.status
    sys.exit(status)


def main_of_process() -> None:
    """`race` as a process, which is not interrupted in what Python does at its end."""
    try:
        main()
    finally:
        for number in interrupts.SIGNALS:
            if signal.getsignal(number) is signal.default_int_handler:
                signal.signal(number, signal.SIG_DFL)
