"""Compiled loops over bytes and hashes (numba): shingling, MinHash, set intersection.

They know arrays only; what the numbers mean is told by their callers.
"""

import numpy as np
from numba import uint32, uint64

from tuneline.data.dedup.characters import ALONE, BREAK, DIGIT, ODD, POINT, WORD
from tuneline.data.dedup.compiling import compiled, inlined

GOLDEN = uint64(0x9E3779B97F4A7C15)
MAX_BUCKETS, MAX_BUCKET = 2**16, 32


@inlined
def mix(value):  # type: ignore[no-untyped-def]
    """The finalizer of splitmix64 (Steele et al. 2014)."""
    value = (value ^ (value >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> uint64(27))) * uint64(0x94D049BB133111EB)
    return value ^ (value >> uint64(31))


@inlined
def decode(data, at):  # type: ignore[no-untyped-def]
    """Code point at a byte of valid UTF-8, and the byte after it."""
    first = int(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | int(data[at + 1]) & 0x3F, at + 2
    if first < 0xF0:
        low = (int(data[at + 1]) & 0x3F) << 6 | int(data[at + 2]) & 0x3F
        return (first & 0x0F) << 12 | low, at + 3
    low = (
        (int(data[at + 1]) & 0x3F) << 12
        | (int(data[at + 2]) & 0x3F) << 6
        | int(data[at + 3]) & 0x3F
    )
    return (first & 0x07) << 18 | low, at + 4


@compiled
def find_odd(data, bounds, table):  # type: ignore[no-untyped-def]
    """N booleans: the table alone cannot compare a character of the text, or it has no token."""
    odd = np.ones(len(bounds) - 1, dtype=np.bool_)
    for text in range(len(odd)):
        at = bounds[text]
        while at < bounds[text + 1]:
            code, at = decode(data, at)
            kind = table[code] & 7
            if kind == ODD:
                odd[text] = True
                break
            if kind != BREAK and kind != POINT:
                odd[text] = False
    return odd


@compiled
def tokenize(data, start, end, table, out):  # type: ignore[no-untyped-def]
    """Write the hashes of a text's tokens to `out`; returns how many."""
    n_tokens, at, value = 0, start, uint64(0)
    is_open = is_number = False
    while at < end:
        code, at = decode(data, at)
        entry = table[code]
        kind = entry & 7
        if kind == POINT:
            next_kind = table[decode(data, at)[0]] & 7 if at < end else BREAK
            kind = DIGIT if is_number and next_kind == DIGIT else BREAK
        if kind == WORD or kind == DIGIT or kind == ODD:
            is_number = kind == DIGIT and (is_number or not is_open)
            value = (value ^ uint64(entry >> 3)) * GOLDEN
            value ^= value >> uint64(29)
            is_open = True
            continue
        if is_open:
            out[n_tokens] = mix(value + GOLDEN)
            n_tokens += 1
            is_open, value = False, uint64(0)
        is_number = False
        if kind == ALONE:
            out[n_tokens] = mix(uint64(entry >> 3) + uint64(7) * GOLDEN)
            n_tokens += 1
    if is_open:
        out[n_tokens] = mix(value + GOLDEN)
        n_tokens += 1
    return n_tokens


@compiled
def shingle(data, bounds, table):  # type: ignore[no-untyped-def]
    """Sets of shingle hashes, end to end, and their N + 1 bounds."""
    n_texts = len(bounds) - 1
    longest = 0
    for text in range(n_texts):
        longest = max(longest, bounds[text + 1] - bounds[text])
    tokens = np.empty(longest + 1, dtype=np.uint64)
    out = np.empty(bounds[n_texts] - bounds[0] + 2 * n_texts, dtype=np.uint32)
    room, heads = np.empty(longest + 2, dtype=np.uint32), np.empty(MAX_BUCKETS + 1, dtype=np.int64)
    offsets = np.zeros(n_texts + 1, dtype=np.int64)
    for text in range(n_texts):
        start, end = bounds[text], bounds[text + 1]
        n_tokens = tokenize(data, start, end, table, tokens)
        first = offsets[text]
        last = first
        if n_tokens < 2:
            whole = tokens[0] if n_tokens else uint64(0)
            for at in range(start if n_tokens == 0 else end, end):
                whole = mix(whole * GOLDEN + uint64(data[at]) + uint64(1))
            out[first], out[first + 1] = whole >> uint64(32), whole & uint64(0xFFFFFFFF)
            last = first + 2
        for n in range(n_tokens - 1):
            out[last] = mix(tokens[n] * GOLDEN + tokens[n + 1]) >> uint64(32)
            last += 1
        offsets[text + 1] = first + unique_sorted(out[first:last], room, heads)
    return out[: offsets[n_texts]].copy(), offsets


@compiled
def unique_sorted(values, room, heads):  # type: ignore[no-untyped-def]
    """Sort hashes in place and move the distinct ones to the front; returns how many.

    Hashes are spread evenly: put into as many buckets as there are values, they are nearly sorted.

    Args:
        values: Hashes.
        room: As long at least, overwritten.
        heads: Overwritten, `MAX_BUCKETS` + 1 long.
    """
    n_bits = 1
    while 1 << n_bits < len(values) and 1 << n_bits < MAX_BUCKETS:
        n_bits += 1
    shift, n_buckets = uint32(32 - n_bits), 1 << n_bits
    heads[: n_buckets + 1] = 0
    fullest = 0
    for value in values:
        bucket = value >> shift
        heads[bucket + 1] += 1
        fullest = max(fullest, heads[bucket + 1])
    for bucket in range(n_buckets):
        heads[bucket + 1] += heads[bucket]
    for value in values:
        bucket = value >> shift
        room[heads[bucket]] = value
        heads[bucket] += 1
    if fullest > MAX_BUCKET:  # a text that repeats itself
        room[: len(values)].sort()
    n_distinct = 0
    for n in range(len(values)):
        value, place = room[n], n_distinct
        while place > 0 and values[place - 1] > value:
            place -= 1
        if place > 0 and values[place - 1] == value:
            continue
        for at in range(n_distinct, place, -1):
            values[at] = values[at - 1]
        values[place] = value
        n_distinct += 1
    return n_distinct


@compiled
def band_keys(shingles, starts, ends, factors, shifts, n_rows):  # type: ignore[no-untyped-def]
    """Bands x N keys: each hashes `n_rows` minima of the text's shingles under the permutations."""
    n_texts, n_hashes = len(starts), len(factors)
    bands = np.empty((n_hashes // n_rows, n_texts), dtype=np.uint32)
    minima = np.empty(n_hashes, dtype=np.uint32)
    for text in range(n_texts):
        minima[:] = uint32(0xFFFFFFFF)
        for at in range(starts[text], ends[text]):
            value = shingles[at]
            for n in range(n_hashes):
                minima[n] = min(minima[n], uint32(value * factors[n] + shifts[n]))
        for band in range(len(bands)):
            key = uint64(band)
            for n in range(band * n_rows, (band + 1) * n_rows):
                key = mix(key * GOLDEN + uint64(minima[n]))
            bands[band, text] = key >> uint64(32)
    return bands


@compiled
def gather(shingles, starts, ends, out):  # type: ignore[no-untyped-def]
    """Copy the sets of some texts to `out`, end to end."""
    n_out = 0
    for text in range(len(starts)):
        for at in range(starts[text], ends[text]):
            out[n_out] = shingles[at]
            n_out += 1


@compiled
def overlap(first, second, needed):  # type: ignore[no-untyped-def]
    """Size of the intersection of two ascending sets, or 0 as soon as it cannot be `needed`."""
    i = j = shared = 0
    while i < len(first) and j < len(second):
        a, b = first[i], second[j]
        shared += a == b
        i += a <= b
        j += b <= a
        if shared + min(len(first) - i, len(second) - j) < needed:
            return 0
    return shared


@compiled
def jaccard(shingles, starts, ends, pairs):  # type: ignore[no-untyped-def]
    """M similarities of M x 2 texts."""
    found = np.empty(len(pairs), dtype=np.float64)
    for n in range(len(pairs)):
        i, j = pairs[n]
        shared = overlap(shingles[starts[i] : ends[i]], shingles[starts[j] : ends[j]], 0)
        found[n] = shared / (ends[i] - starts[i] + ends[j] - starts[j] - shared)
    return found
