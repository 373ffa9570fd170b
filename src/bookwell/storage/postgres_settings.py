"""What the embedded server is told, and above all what it must not write into its log."""

import os
from pathlib import Path

# Below this the machine is likely a small container, whose memory belongs to the service first.
ROOMY_MEMORY_BYTES = 4 * 1024**3

SERVER = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "200",
    "wal_level": "replica",
    "max_wal_size": "2GB",
    "autovacuum": "on",
    "jit": "off",
    "timezone": "UTC",
    "lc_messages": "C",
}

# Health data passes through every statement, so the log tells about the server only. Even the first
# line of an error may quote a value; so messages of the level ERROR stay out too (the caller gets
# them), while the server's own affairs, which are LOG, FATAL and PANIC, go in.
LOG = {
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def settings_text(socket_dir: Path, *, durable: bool) -> str:
    """Write the settings as a file of PostgreSQL that lies beside the cluster's folder.

    They win over `postgres/postgresql.conf`, where the operator may set what is not set here.
    """
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    settings = {
        "unix_socket_directories": str(socket_dir),
        "shared_buffers": "256MB" if memory_bytes >= ROOMY_MEMORY_BYTES else "64MB",
        **SERVER,
        **LOG,
        **({} if durable else NOT_DURABLE),
    }
    lines = (f"{name} = '{value}'" for name, value in settings.items())
    head = "# Written anew by bookwell at each start. Your own settings: postgres/postgresql.conf."
    return "\n".join([head, "include 'postgres/postgresql.conf'", *lines, ""])
