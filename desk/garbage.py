"""Keep Python's garbage collector from looking again and again at what a process loads once and keeps."""

import gc

#: New objects before the collector looks. Requests and batches make many and drop them; with Python's 700 it costs a
#: tenth of their time.
COLLECT_AFTER = 10_000


def settle() -> None:
    """Call it when a process has loaded what it needs: the collector leaves that alone, and looks less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
