"""The real server: the published `openhands-agent-server`, with a scripted LLM.

application  one trial's server: its life, and its REST and socket traffic
hooks        the places in the server's code where a trial listens and lets time pass
observer     records what the hooks hear, in the happenings of the fake
agent        replaces the LLM, the tools and the stop hooks
dates        the server's clock
full_disk    its disk, when that is full
home         the directory in which it lives
"""
