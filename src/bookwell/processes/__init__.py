"""The running service: a socket, a database and worker processes, kept alive and ended in order."""
