"""Print the commands of a part of a document: commands_of.py DOCUMENT START.

The part begins at the line that starts with START and ends before the next heading or the next line in bold.
"""

import re
import sys
from pathlib import Path


def commands_of(document: str, start: str) -> list[str]:
    """Return the text of each sh block of the part. Raises ValueError when the part or its commands are missing."""
    _head, found, rest = f"\n{document}".partition(f"\n{start}")
    if not found:
        raise ValueError(f"The document has no part that begins with {start!r}.")
    part = re.split(r"\n(?:#+ |\*\*)", rest, maxsplit=1)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    if not blocks:
        raise ValueError(f"The part {start!r} has no commands.")
    return blocks


if __name__ == "__main__":
    print("\n".join(commands_of(Path(sys.argv[1]).read_text(), sys.argv[2])))
