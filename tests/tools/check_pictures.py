#!/usr/bin/env python3
"""Compares catgan's verdicts on broken and unusual JPEG and PNG files with Pillow's.

  python3 tests/tools/check_pictures.py build/release/apps/catgan/catgan [--keep FOLDER]

Wants the PyPI packages pillow and numpy. Pictures are made here and mutated by fixed seeds.
`catgan train` reads them all; its census has the verdicts, its cache the pixels. Prints the
differences by their reason, and ends with 1 if one has no reason in EXPECTED, or if the pixels of a
picture that both take differ by more than BOUND on average.
"""

import argparse
import collections
import io
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

SIDE = 32  # of every picture, so that catgan need not resize
# Of 255, the mean over a picture. Decoders differ by the rounding of the cosine transform and by
# the filter that enlarges the color planes; both are 0 for PNG.
BOUND = 3.0

# (Pillow's verdict, the reason of the one that refuses, why catgan is right to differ): the first
# that matches.
EXPECTED = (
    (
        "taken",
        r"cut off",
        "the file ends early, or its end is spoilt: a part of the picture is missing",
    ),
    (
        "taken",
        r"arithmetic-coded|lossless|hierarchical|-bit JPEG|DNL",
        "a kind that is named and not read",
    ),
    (
        "taken",
        r"stray marker|second picture|two frame headers|bad scan header|without data|"
        r"no data for component|does not define|length|bad Huffman|too many codes|"
        r"bad quantisation|no progressive JPEG|before its frame|that it does not have|interleaves",
        "libjpeg guesses what the headers mean; catgan does not train on guesses",
    ),
    (
        "taken",
        r"cannot be decoded|in its pixels|restart marker",
        "the entropy-coded data breaks its own rules; libjpeg warns and draws something else",
    ),
    ("taken", r"at most 16384 a side", "larger than catgan reads; most of its pixels are missing"),
    (
        "taken",
        r"CRC-32|Adler-32|compressed data|its size calls for|between its pixels|"
        r"no chunk name|IEND|palette|needs the unknown chunk|unknown compression",
        "Pillow stops reading once it has all rows; catgan checks the file to its end",
    ),
    (
        "refused",
        r"Truncated (gAMA|sRGB|cHRM|pHYs)",
        "only a note beside the pixels is broken, which must not cost a good picture",
    ),
)
# Files that both take and whose pixels differ by more than BOUND.
PIXELS_EXPECTED = {
    "jpeg-optimized-C4at204-changed.jpg": "a changed table makes coefficients that overflow in one "
    "block: one decoder wraps round, the other saturates",
}


def source(seed):
    """A smooth colored picture with edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    planes = [
        127 + 100 * np.sin(6 * (a * x + b * y) + c) for a, b, c in rng.uniform(0.2, 1.5, (3, 3))
    ]
    picture = np.stack(planes, -1)
    picture[8:20, 10:24] = rng.uniform(0, 255, 3)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def segments(jpeg):
    """(begin, end, marker) of every segment up to and with the first scan's header."""
    at, result = 2, []
    while jpeg[at] == 0xFF:
        end = at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        result.append((at, end, jpeg[at + 1]))
        if jpeg[at + 1] == 0xDA:
            break
        at = end
    return result


def without(jpeg, *markers):
    for begin, end, marker in reversed(segments(jpeg)):
        if marker in markers:
            jpeg = jpeg[:begin] + jpeg[end:]
    return jpeg


def with_segment(jpeg, marker, payload):
    return (
        jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]
    )


def adobe(jpeg, transform):
    return with_segment(jpeg, 0xEE, b"Adobe" + bytes([0, 100, 0, 0, 0, 0, transform]))


def renamed(jpeg, names):
    """With other component identifiers in the frame and the scan of a baseline JPEG."""
    out = bytearray(jpeg)
    for begin, _, marker in segments(jpeg):
        if marker in (0xC0, 0xC1, 0xDA):
            first, step = (begin + 10, 3) if marker != 0xDA else (begin + 5, 2)
            for i, name in enumerate(names):
                out[first + step * i] = name
    return bytes(out)


def chunks(png):
    at, result = 8, []
    while at < len(png):
        size = struct.unpack(">I", png[at : at + 4])[0]
        result.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + size]))
        at += 12 + size
    return result


def joined(parts):
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def exif(orientation):
    return (
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + b"\0\0\0\0\0\0\0"
    )


def xmp(orientation, element=False):
    note = f"<tiff:Orientation>{orientation}<" if element else f'tiff:Orientation="{orientation}"'
    return b"<x:xmpmeta>" + note.encode() + b"</x:xmpmeta>"


def color_variants():
    rgb = source(1)
    for kind, image in (("rgb", rgb), ("cmyk", rgb.convert("CMYK"))):
        for subsampling in (0, 2):
            plain = saved(image, "JPEG", quality=92, subsampling=subsampling)
            bare = without(plain, 0xE0, 0xEE)
            jfif = with_segment(bare, 0xE0, b"JFIF\0\x01\1\0\0\1\0\1\0\0")
            yield f"{kind}{subsampling}-bare", bare
            yield f"{kind}{subsampling}-jfif", jfif
            for names in (b"RGBK", b"CMYK", b"\0\1\2\3", b"\1\"\x11\4"):
                yield f"{kind}{subsampling}-ids{names[0]}", renamed(
                    bare, names[: len(image.getbands())]
                )
                yield f"{kind}{subsampling}-jfif-ids{names[0]}", renamed(
                    jfif, names[: len(image.getbands())]
                )
            for transform in (0, 1, 2, 3, 255):
                yield f"{kind}{subsampling}-adobe{transform}", adobe(bare, transform)
                yield f"{kind}{subsampling}-jfif-adobe{transform}", adobe(jfif, transform)
                yield f"{kind}{subsampling}-adobe{transform}-ids", renamed(
                    adobe(bare, transform), b"RGBK"[: len(image.getbands())]
                )


def orientation_variants():
    png, jpeg = saved(source(2), "PNG"), saved(source(2), "JPEG", quality=92, subsampling=0)
    header, *data, end = chunks(png)
    for o in range(0, 10):
        raw = b"\nexif\n%8d\n%s\n" % (len(exif(o)) + 6, (b"Exif\0\0" + exif(o)).hex().encode())
        notes = {
            "exif": (b"eXIf", exif(o)),
            "raw-text": (b"tEXt", b"Raw profile type exif\0" + raw),
            "raw-ztxt": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)),
            "raw-itxt": (b"iTXt", b"Raw profile type exif\0\0\0\0\0" + raw),
            "app1-ztxt": (b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(raw)),
            "xmp-itxt": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(o)),
            "xmp-packed": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(o, True))),
        }
        for name, note in notes.items():
            yield f"{name}{o}-before", joined([header, note, *data, end])
            yield f"{name}{o}-after", joined([header, *data, note, end])
        yield f"exif{o}-and-xmp", joined(
            [header, notes["exif"], *data, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(3)), end]
        )
        space = b"http://ns.adobe.com/xap/1.0/\0"
        yield f"jpeg-exif{o}", with_segment(jpeg, 0xE1, b"Exif\0\0" + exif(o))
        yield f"jpeg-xmp{o}", with_segment(jpeg, 0xE1, space + xmp(o))
        yield f"jpeg-both{o}", with_segment(
            with_segment(jpeg, 0xE1, b"Exif\0\0" + exif(o)), 0xE1, space + xmp(6)
        )


def png_kinds():
    rgb = source(3)
    grey, palette = rgb.convert("L"), rgb.quantize(60)
    for name, image, options in (
        ("rgb", rgb, {}),
        ("grey", grey, {}),
        ("bits", grey.convert("1"), {}),
        ("palette", palette, {}),
        ("palette4", rgb.quantize(13), {"bits": 4}),
        ("optimized", rgb, {"optimize": True}),
        ("stored", rgb, {"compress_level": 0}),
    ):
        yield name, saved(image, "PNG", **options)
    rng = np.random.default_rng(4)
    for color, depth, bands in (
        (2, 16, 3),
        (0, 16, 1),
        (4, 8, 2),
        (6, 8, 4),
        (6, 16, 4),
        (0, 2, 1),
    ):
        row = (SIDE * bands * depth + 7) // 8
        raw = b"".join(b"\0" + rng.integers(0, 256, row, np.uint8).tobytes() for _ in range(SIDE))
        header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, color, 0, 0, 0)
        parts = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
        yield f"color{color}-{depth}", joined(parts)
        yield f"color{color}-{depth}-gamma", joined(
            [parts[0], (b"gAMA", b"\0\0\xb1\x8f"), *parts[1:]]
        )


def jpeg_kinds():
    rgb = source(5)
    for name, image, options in (
        ("444", rgb, {"subsampling": 0}),
        ("422", rgb, {"subsampling": 1}),
        ("420", rgb, {"subsampling": 2}),
        ("grey", rgb.convert("L"), {}),
        ("progressive", rgb, {"progressive": True}),
        ("optimized", rgb, {"optimize": True}),
        ("restarts", rgb, {"restart_marker_blocks": 2}),
        ("cmyk", rgb.convert("CMYK"), {}),
        ("noted", rgb, {"exif": b"Exif\0\0" + exif(6)}),
    ):
        yield name, saved(image, "JPEG", quality=88, **options)


def byte_mutations(data, rng, count):
    for i in range(count):
        out, at = bytearray(data), rng.randrange(2, len(data))
        kind = ("flip", "delete", "insert", "cut", "swap", "zeros")[i % 6]
        if kind == "flip":
            out[at] ^= 1 << rng.randrange(8)
        elif kind == "delete":
            del out[at : at + rng.randrange(1, 4)]
        elif kind == "insert":
            out[at:at] = rng.randbytes(rng.randrange(1, 4))
        elif kind == "cut":
            del out[at:]
        elif kind == "swap":
            other = rng.randrange(2, len(data))
            out[at], out[other] = out[other], out[at]
        else:
            out[at : at + 4] = bytes(len(out[at : at + 4]))
        yield f"{kind}{i}", bytes(out)


def segment_mutations(jpeg, rng):
    for begin, end, marker in segments(jpeg):
        name = f"{marker:02X}at{begin}"
        yield f"{name}-gone", jpeg[:begin] + jpeg[end:]
        yield f"{name}-twice", jpeg[:end] + jpeg[begin:end] + jpeg[end:]
        yield f"{name}-longer", jpeg[: begin + 2] + struct.pack(">H", end - begin) + jpeg[
            begin + 4 :
        ]
        out = bytearray(jpeg)
        out[rng.randrange(begin + 4, end)] ^= rng.randrange(1, 256)
        yield f"{name}-changed", bytes(out)
        yield f"{name}-stuffed", jpeg[:begin] + b"\xff\xff\xff" + jpeg[begin:]
    scan = segments(jpeg)[-1][1]
    for count in (1, 3, 10, 40):
        yield f"short-by-{count}", jpeg[: -2 - count] + jpeg[-2:]
        yield f"junk-before-end-{count}", jpeg[:-2] + b"\x55" * count + jpeg[-2:]
    yield "restart-inside", jpeg[: scan + 40] + b"\xff\xd3" + jpeg[scan + 40 :]
    yield "end-inside", jpeg[: scan + 40] + b"\xff\xd9" + jpeg[scan + 40 :]
    yield "no-end", jpeg[:-2]
    yield "junk-after", jpeg + b"\xff\xd8 rest"
    for frame in (0xC1, 0xC3, 0xC5, 0xC9, 0xCA):
        at = next(b for b, _, m in segments(jpeg) if m in (0xC0, 0xC2))
        yield f"frame{frame:02X}", jpeg[: at + 1] + bytes([frame]) + jpeg[at + 2 :]


def chunk_mutations(png, rng):
    parts = chunks(png)
    for i, (name, data) in enumerate(parts):
        label = f"{name.decode()}{i}"
        yield f"{label}-gone", joined(parts[:i] + parts[i + 1 :])
        yield f"{label}-twice", joined(parts[:i] + [parts[i]] + parts[i:])
        yield f"{label}-late", joined(parts[:i] + parts[i + 1 :] + [parts[i]])
        broken = bytearray(joined(parts))
        broken[broken.index(name) + 4 + len(data)] ^= 1
        yield f"{label}-crc", bytes(broken)
        if data:
            changed = bytearray(data)
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            yield f"{label}-changed", joined(parts[:i] + [(name, bytes(changed))] + parts[i + 1 :])
            yield f"{label}-short", joined(parts[:i] + [(name, data[:-1])] + parts[i + 1 :])
    packed = b"".join(d for n, d in parts if n == b"IDAT")
    before = [p for p in parts if p[0] not in (b"IDAT", b"IEND")]
    after = [(b"IEND", b"")]
    raw = zlib.decompress(packed)
    variants = {
        "adler": packed[:-1] + bytes([packed[-1] ^ 1]),
        "no-adler": packed[:-4],
        "adler-cut": packed[:-2],
        "more-rows": zlib.compress(raw + raw[:100]),
        "less-rows": zlib.compress(raw[:-1]),
        "junk": packed + b"junk",
        "bad-filter": zlib.compress(b"\7" + raw[1:]),
        "small-window": bytes([0x18, 0x19]) + packed[2:],
    }
    for name, data in variants.items():
        yield f"idat-{name}", joined(before + [(b"IDAT", data)] + after)
    half = len(packed) // 2
    yield "idat-split", joined(
        before + [(b"IDAT", packed[:half]), (b"IDAT", packed[half:])] + after
    )
    yield "idat-apart", joined(
        before + [(b"IDAT", packed[:half]), (b"tEXt", b"a\0b"), (b"IDAT", packed[half:])] + after
    )
    yield "lower-idat", joined(before + [(b"IDAT", packed), (b"teSt", b"x")] + after)
    yield "critical", joined(before + [(b"TEST", b"x"), (b"IDAT", packed)] + after)


def make_all():
    for name, data in color_variants():
        yield f"color-{name}.jpg", data
    for name, data in orientation_variants():
        yield f"way-{name}.{'jpg' if name.startswith('jpeg') else 'png'}", data
    for name, data in jpeg_kinds():
        rng = random.Random("jpeg " + name)
        yield f"jpeg-{name}-whole.jpg", data
        for group in (byte_mutations(data, rng, 30), segment_mutations(data, rng)):
            for kind, mutant in group:
                yield f"jpeg-{name}-{kind}.jpg", mutant
    for name, data in png_kinds():
        rng = random.Random("png " + name)
        yield f"png-{name}-whole.png", data
        for group in (byte_mutations(data, rng, 12), chunk_mutations(data, rng)):
            for kind, mutant in group:
                yield f"png-{name}-{kind}.png", mutant


def over_white(image):
    """catgan's choice: transparent pixels over white, 16-bit samples by their upper byte."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert(
            "RGB"
        )
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def ask_pillow(data):
    """(pixels or None, why it was refused)"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "MPO"))
            image.load()
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"
        try:
            image = ImageOps.exif_transpose(image)
        except Exception:
            pass  # a broken note
        return np.asarray(over_white(image)), ""


def ask_catgan(program, folder):
    """(name -> pixels of the usable files, name -> reason of the others)"""
    with tempfile.TemporaryDirectory() as work:
        cache = os.path.join(work, "cache")
        command = [
            program,
            "train",
            "--data",
            folder,
            "--size",
            str(SIDE),
            "--batch",
            "1",
            "--steps",
            "1",
            "--g-widths",
            "8,8,8",
            "--d-widths",
            "8",
            "--d-strides",
            "2",
            "--threads",
            "1",
            "--out",
            os.path.join(work, "run"),
        ]
        subprocess.run(
            command,
            env=dict(os.environ, XDG_CACHE_HOME=cache),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with open(os.path.join(work, "run", "census.txt")) as census:
            found = re.findall(r"^    (\S+): (.*)$", census.read(), re.M)
        name = next(n for n in os.listdir(os.path.join(cache, "catgan")) if n.endswith(".pictures"))
        with open(os.path.join(cache, "catgan", name), "rb") as file:
            data = file.read()
    pixels = np.frombuffer(data[72 + struct.unpack("<Q", data[40:48])[0] :], np.uint8)
    pixels = pixels.reshape(-1, SIDE, SIDE, 3)
    reasons = dict(found)
    usable = [n for n in sorted(os.listdir(folder)) if n not in reasons]
    assert len(usable) == len(pixels), (len(usable), len(pixels))
    return dict(zip(usable, pixels)), reasons


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catgan")
    parser.add_argument("--keep", help="folder for the files; default: a temporary one")
    options = parser.parse_args()
    folder = options.keep or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    for name, data in make_all():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    usable, reasons = ask_catgan(os.path.abspath(options.catgan), folder)

    names = sorted(os.listdir(folder))
    counts, groups, bad, largest = collections.Counter(), collections.defaultdict(list), [], 0.0
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            pixels, refusal = ask_pillow(file.read())
        verdict = (
            "taken" if pixels is not None else "refused",
            "taken" if name in usable else "refused",
        )
        counts[verdict] += 1
        if verdict == ("taken", "taken"):
            if pixels.shape != (SIDE, SIDE, 3):
                continue
            difference = np.abs(pixels.astype(int) - usable[name].astype(int)).mean()
            if name in PIXELS_EXPECTED:
                groups[
                    f"both take it, pixels differ by {difference:.1f}: " f"{PIXELS_EXPECTED[name]}"
                ].append(name)
                continue
            largest = max(largest, difference)
            if difference > BOUND:
                bad.append(f"{name}: pixels differ by {difference:.1f}")
        elif verdict[0] != verdict[1]:
            reason = reasons.get(name, refusal)
            why = next(
                (w for v, pattern, w in EXPECTED if v == verdict[0] and re.search(pattern, reason)),
                None,
            )
            groups[f"Pillow {verdict[0]}, catgan {verdict[1]}: {why}"].append(name)
            if why is None:
                bad.append(f"{name}: Pillow {verdict[0]}, catgan {verdict[1]}: {reason}")
    print(
        f"{len(names)} files; Pillow and catgan both take {counts['taken', 'taken']}, "
        f"both refuse {counts['refused', 'refused']}"
    )
    print(f"largest mean difference of pixels: {largest:.2f} of 255, allowed {BOUND}")
    for group, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"{len(members):5} {group}, such as {members[0]}")
    for line in bad:
        print("UNEXPECTED", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
