"""The real world of one trial: loopback sockets, wall-clock time, the operating system's threads.

    worker ──fork──▶ trial process ──fork──▶ server process
                     client, caller,  ◀─────  uvicorn's protocols,
                     proxy, trace            the adapter's server

The client connects to the proxy, which connects to the server and does to the bytes in between
what the schedule says (`proxy.py`). Times are nanoseconds of CLOCK_MONOTONIC since one instant, in
both processes. The server process sends each of its happenings to the trial process, which acts on
them as they come and sorts all of them by time at the end (`record.py`).
"""
