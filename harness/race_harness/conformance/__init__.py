"""Whether the fake server does what the real one does.

labels.py    what happened, in words that mean the same on both servers
order.py     the order of one conversation, and what can be read off it
legal.py     which orders a release can show, as rules; what breaks one no server has done
bounds.py    the limits of the real server, and which of them the fake keeps
shapes.py    which fields answers and frames have, and which of them a client reads
capture.py   an adapter whose servers' bodies are kept
suite.py     schedules to compare on
compare.py   two runs side by side: what differs, whether it could matter, what is allowed to
for_docs.py  rules, allowed differences and limits as Markdown
sessions.py  real sessions that were recorded once, as labels

It takes happenings and captured bodies, and starts nothing.
"""
