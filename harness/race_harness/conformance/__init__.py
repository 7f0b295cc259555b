"""Checks that the fake server does what the real one does.

labels.py    names what happened in the same words for both servers
order.py     the order of one conversation, and what follows from it
legal.py     the orders that a release can show, as rules
bounds.py    the limits of the real server, and which of them the fake keeps
shapes.py    the fields of answers and frames, and which of them a client reads
capture.py   an adapter that keeps the bodies which its servers send
suite.py     schedules on which both are compared
compare.py   two runs side by side: what differs, whether it could matter, what may differ
for_docs.py  rules, allowed differences and limits as Markdown
sessions.py  recorded real sessions, as labels

It reads happenings and captured bodies, and starts nothing.
"""
