"""Marks within files: they come back as they were, and nothing else of the file changes."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from serving.content.pictures import png
from serving.errors import GenzooError
from serving.provenance import marks
from serving.provenance.origin import SOURCE_TYPE, Origin

PIXELS = np.random.RandomState(0).randint(0, 255, (5, 7, 3), np.uint8)
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ORIGINS = st.builds(
    Origin,
    model=WORDS, model_hash=WORDS, variant=WORDS, device=WORDS, call=WORDS,
    parameters=st.dictionaries(WORDS, PLAIN, max_size=3),
    seed=st.none() | st.integers(0, 2**32 - 1),
)  # fmt: skip


def sound():
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 1, 8000, 0, "NONE", ""))
        written.writeframes(bytes(range(99)))  # an odd number: RIFF fills up to an even one
    return file.getvalue()


def film(version=b"GIF89a"):
    file = io.BytesIO()
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])]
    frames[0].save(file, "gif", save_all=True, append_images=frames[1:])
    return version + file.getvalue()[6:]


def tune():
    note = bytes.fromhex("00 90 3c 40 60 80 3c 40 00 ff 2f 00")
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96)
    return head + b"MTrk" + struct.pack(">I", len(note)) + note


FILES = {"png": png(PIXELS), "wav": sound(), "mid": tune(), "gif": film()}


def inside(kind, data):
    """Return what a file holds beside its marks, as other programs read it."""
    if kind == "wav":
        with wave.open(io.BytesIO(data)) as file:
            return file.getparams(), file.readframes(1000)
    if kind == "mid":
        size = int.from_bytes(data[18:22])
        assert len(data) == 22 + size
        return data[22:][-12:]
    with Image.open(io.BytesIO(data)) as image:
        return [(image.seek(at), image.convert("RGB").tobytes())[1]
                for at in range(getattr(image, "n_frames", 1))]  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
@given(origin=ORIGINS, other=ORIGINS)
def test_a_mark_comes_back_and_the_rest_is_as_it_was(kind, origin, other):
    data = FILES[kind]
    assert marks.origin_of(data) is None
    marked = marks.marked(data, origin)
    assert marks.origin_of(marked) == origin
    assert inside(kind, marked) == inside(kind, data)
    assert marks.marked(marked, other) == marks.marked(data, other)  # a second replaces the first


@pytest.mark.parametrize("kind", ["png", "gif", "wav"])
def test_other_programs_find_what_kind_of_source_it_is(kind):
    """As IPTC has it, in XMP."""
    from defusedxml import ElementTree

    origin = Origin(model='a "<&> b', model_hash="0" * 64, variant="fp32", device="cpu",
                    call="draw", parameters={})  # fmt: skip
    data = marks.marked(FILES[kind], origin)
    if kind == "wav":
        packet = data[data.index(b"_PMX") + 8 :].rstrip(b"\0")
    elif kind == "gif":
        packet = data.partition(b"XMP DataXMP")[2].partition(b"\x01\xff\xfe")[0]
    else:
        with Image.open(io.BytesIO(data)) as image:
            packet = image.info["xmp"]
            assert Origin.read(image.text["genzoo"]) == origin
    (found,) = ElementTree.fromstring(packet.decode()).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    iptc = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    assert found.attrib[f"{iptc}DigitalSourceType"] == SOURCE_TYPE
    assert found.attrib[f"{iptc}AISystemUsed"] == 'a "<&> b'


def test_older_gifs_can_be_marked():
    data = film(b"GIF87a")
    marked = marks.marked(data, ORIGIN)
    assert marks.origin_of(marked) == ORIGIN and inside("gif", marked) == inside("gif", data)


ORIGIN = Origin(model="m", model_hash="0", variant="fp32", device="cpu", call="c", parameters={})


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"RIFF", b"MThd", b"GIF89a", b""]),
       st.binary(max_size=200), st.integers(0, 3000))  # fmt: skip
def test_no_file_breaks_the_reader(beginning, rest, cut):
    for data in (beginning + rest, *(marks.marked(each, ORIGIN)[:cut] for each in FILES.values())):
        try:
            found = marks.origin_of(data)
        except GenzooError as error:
            assert "\n" not in str(error)
        else:
            assert found is None or found == ORIGIN
        marks.marked(data, ORIGIN)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"model": 1}', "[" * 9000, "x" * 2**17])
def test_a_mark_that_says_nothing_is_an_error_of_one_line(text):
    with pytest.raises(GenzooError, match="mark"):
        Origin.read(text)
