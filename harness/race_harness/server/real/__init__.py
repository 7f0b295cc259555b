"""The real server: the published `openhands-agent-server`, with a scripted LLM.

application  one trial's server: its life, what goes over REST and the socket
hooks        the places in the server's code where a trial listens and lets time pass
observer     what is heard there, told as the fake tells it
agent        what stands in for the LLM, the tools and the stop hooks
dates        the server's clock
home         the directory it lives in
"""
