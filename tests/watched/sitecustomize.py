"""Run first by every Python that has this folder on PYTHONPATH: notes which machines it asks for and what it writes.

One JSON list [kind, what] a line, "reach" or "write", is added to the file that the variable WATCHED_NOTES names.
"""

import json
import os
import sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
LOOKING_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
NAMING = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "sqlite3.connect": 0}  # which argument it makes
notes = os.open(os.environ["WATCHED_NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(kind, what):
    os.write(notes, json.dumps([kind, what]).encode() + b"\n")


def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        note("reach", address[0] if isinstance(address, tuple) else "")  # else within this machine, by a file
    elif event in LOOKING_UP:
        host = arguments[0] or ""
        note("reach", host.decode() if isinstance(host, bytes) else host)
    elif event == "open" and not isinstance(arguments[0], int) and arguments[2] & WRITING:
        note("write", os.path.abspath(os.fsdecode(arguments[0])))
    elif event in NAMING and not isinstance(arguments[NAMING[event]], int):
        note("write", os.path.abspath(os.fsdecode(arguments[NAMING[event]])))


sys.addaudithook(watch)
