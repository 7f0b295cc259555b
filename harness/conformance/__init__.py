"""Whether the fake server does what the real one does.

labels.py    what happened, in words that mean the same on both servers
legal.py     which orders a release can show, as rules; what breaks one no server has done
shapes.py    which fields answers and frames have, and which of them a client reads
compare.py   two runs side by side: what differs, whether it could matter, what is allowed to
wire.py      real sessions that were recorded once, as labels

All of it is pure: it takes happenings and captured bodies, and starts nothing.
"""
