"""R39, for each Python that a test starts (conftest.py has it look here): who asks for a connection ends with 99."""

import os
import sys


def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"):
        os.write(2, f"a connection was asked for: {event}\n".encode())
        os._exit(99)


# Not a patch of socket: that need not be imported, and what goes round it is seen too.
sys.addaudithook(refuse)
