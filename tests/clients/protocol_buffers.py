"""As much of Protocol Buffers as the scripts here need, with the standard library."""

# Bytes of numbers of a fixed size, by their kind.
FIXED = {1: 8, 5: 4}


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A field of a message: text, bytes, or a whole number."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(message):
    """Numbers of fields, and what they hold: whole numbers, or bytes."""
    at = 0

    def taken():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = taken()
        kind = key & 7
        if kind == 0:
            yield key >> 3, taken()
            continue
        assert kind == 2 or kind in FIXED, key
        size = FIXED.get(kind) or taken()
        yield key >> 3, message[at : at + size]
        at += size
