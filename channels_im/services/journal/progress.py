"""The value of `WebhookDelivery.progress`: how far the events of a delivery are. Pure.

`{"done": bits, "7": {"kind", "state", "tries", "error", "attempt"}, …}`. Bit n of the hexadecimal number `bits` is set
when event n is done: 1,000 digits for 4,000 events, because it is saved many times. The other keys are the indexes of
events that wait for their next try or have failed; `attempt` is the delivery's attempt in which the event was last
tried. An event that is in neither was not tried yet. Earlier versions wrote done events like the others.
"""

from collections.abc import Mapping
from typing import Any

DONE = "done"

Entry = dict[str, Any]


def unpack(progress: Mapping[str, Any]) -> dict[int, Entry]:
    """Return the entry of each event that was tried, by its index; that of a done event has at least `state`."""
    bits = int(progress.get(DONE) or "0", 16)
    entries: dict[int, Entry] = {index: {"state": DONE} for index in range(bits.bit_length()) if bits >> index & 1}
    return entries | {int(index): entry for index, entry in progress.items() if index != DONE}


def pack(entries: Mapping[int, Entry]) -> dict[str, Any]:
    """Return what to save for these entries."""
    bits = 0
    for index, entry in entries.items():
        if entry["state"] == DONE:
            bits |= 1 << index
    packed: dict[str, Any] = {str(index): entry for index, entry in entries.items() if entry["state"] != DONE}
    return {DONE: f"{bits:x}", **packed} if bits else packed
