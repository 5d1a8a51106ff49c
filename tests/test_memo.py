"""A bounded cache empties itself when it is full, and keeps alive what its keys' ids are of."""

from __future__ import annotations

import gc
import weakref

from tracer.memo import Memo


class Thing:
    """Something that can be watched."""


def test_a_full_memo_begins_anew() -> None:
    """The entry that would be one too many is alone afterwards."""
    memo: Memo[int] = Memo(3)
    for n in range(4):
        memo[n] = n
    assert dict(memo) == {3: 3}


def test_objects_live_as_long_as_their_key() -> None:
    """What a key's id is of is not collected before the entry is forgotten, so no other object gets its id."""
    memo: Memo[str] = Memo(2)
    thing = Thing()
    watched = weakref.ref(thing)
    assert memo.keep((id(thing), 7), "found", thing) == "found"
    key = (id(thing), 7)
    del thing
    gc.collect()
    assert watched() is not None
    assert memo.get(key) == "found"
    memo["other"] = "one"
    memo["full"] = "two"
    gc.collect()
    assert watched() is None
    assert key not in memo


def test_an_entry_stored_again_keeps_its_last_objects() -> None:
    """Storing under one key many times does not pile up objects."""
    memo: Memo[int] = Memo(10)
    first, second = Thing(), Thing()
    watched = weakref.ref(first)
    memo.keep("key", 1, first)
    memo.keep("key", 2, second)
    del first
    gc.collect()
    assert watched() is None
    assert memo["key"] == 2
