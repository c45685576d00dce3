"""What an object file asks for and does not hold: undefined symbols of ELF, Mach-O (macOS) and COFF (Windows)."""

import struct
from collections.abc import Iterator


def undefined(data: bytes) -> set[str]:
    """The names that an object file of 64 bits leaves to be found elsewhere, as a program would write them."""
    if data.startswith(b"\x7fELF"):
        return set(_of_elf(data))
    if data.startswith(struct.pack("<I", 0xFEEDFACF)):
        return {name.removeprefix("_") for name in _of_mach_o(data)}
    return set(_of_coff(data))


def _of_elf(data: bytes) -> Iterator[str]:
    at, size, count = *struct.unpack_from("<Q", data, 0x28), *struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + size * number) for number in range(count)]
    for _, kind, _, _, begin, length, link, *_ in sections:
        if kind == 2:  # the table of symbols
            for place in range(begin, begin + length, 24):
                name, _, _, section = struct.unpack_from("<IBBH", data, place)
                if name and not section:
                    yield _text(data, sections[link][4] + name)


def _of_mach_o(data: bytes) -> Iterator[str]:
    place = 32
    for _ in range(struct.unpack_from("<I", data, 16)[0]):
        command, size = struct.unpack_from("<II", data, place)
        if command == 2:  # the table of symbols
            begin, count, texts, _ = struct.unpack_from("<IIII", data, place + 8)
            for number in range(count):
                name, kind = struct.unpack_from("<IB", data, begin + 16 * number)
                if kind & 0x0F == 0x01:  # external, in no section
                    yield _text(data, texts + name)
        place += size


def _of_coff(data: bytes) -> Iterator[str]:
    begin, count = struct.unpack_from("<II", data, 8)
    number = 0
    while number < count:
        place = begin + 18 * number
        zeros, name = struct.unpack_from("<II", data, place)
        value, section, _, kind, more = struct.unpack_from("<IhHBB", data, place + 8)
        if not section and not value and kind == 2:  # external
            short = data[place : place + 8].rstrip(b"\0")
            yield short.decode() if zeros else _text(data, begin + 18 * count + name)
        number += 1 + more


def _text(data: bytes, place: int) -> str:
    return data[place : data.index(b"\0", place)].decode()
