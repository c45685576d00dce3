"""The random bits of masks as their definition says, in Python's numbers."""


def mix64(z: int) -> int:
    z &= 2**64 - 1
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 % 2**64
    z ^= z >> 27
    z = z * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def lowbias32(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def bit(seed: int, stream: int, step: int, row: int, unit: int, probability: float) -> int:
    """One bit as the definition says, in Python's numbers."""
    key = mix64(mix64(mix64(seed + 0x9E3779B97F4A7C15 * (stream + 1)) + step) + row)
    bits = lowbias32(unit * 0x9E3779B1 % 2**32 ^ key % 2**32)
    bits = lowbias32((bits + (key >> 32)) % 2**32)
    return int(bits >= int(probability * 2**32))
