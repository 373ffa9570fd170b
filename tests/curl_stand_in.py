"""As much of curl as our pages use, for machines that have none: `python curl_stand_in.py …`.

Tests need nothing but Python and make. Where there is a curl, the pages are run with it.
"""

import argparse
import sys
from pathlib import Path

import httpx


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="curl")
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("-X")
    parser.add_argument("-o")
    parser.add_argument("-D")
    parser.add_argument("-w", default="")
    asked = parser.parse_args(arguments)
    answer = httpx.request(
        asked.X or ("GET" if asked.d is None else "POST"),
        asked.url,
        headers=dict(header.split(": ", 1) for header in asked.H),
        content=asked.d,
        trust_env=False,
    )
    if asked.D == "-":
        sys.stdout.write("".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()))
    if asked.o is None:
        sys.stdout.write(answer.text)
    else:
        Path(asked.o).write_bytes(answer.content)
    sys.stdout.write(asked.w.replace("%{http_code}", str(answer.status_code)).replace("\\n", "\n"))


if __name__ == "__main__":
    main(sys.argv[1:])
