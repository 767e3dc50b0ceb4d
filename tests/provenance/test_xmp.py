"""Packets say what other programs read; what strangers put there does no harm."""

import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import MARK, draw
from PIL import Image

import provenance.files
from provenance import COMPOSITE, GENERATED, VERSION, Mark, from_xmp, read_mark, to_xmp

URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def property_texts(packet: bytes) -> dict[str, str]:
    """Return text by local name, read with nothing of ours."""
    root = ElementTree.fromstring(packet.decode("utf-8").strip("\ufeff"))
    return {element.tag.rpartition("}")[2]: element.text for element in root.iter()}


def test_packet_states_what_other_programs_read():
    texts = property_texts(to_xmp(Mark(COMPOSITE, {"seed": 1})))
    assert texts["DigitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/" + COMPOSITE
    assert texts["CreatorTool"] == f"Random Unreal Face {VERSION}"
    assert json.loads(texts["Settings"]) == {"seed": 1}
    packet = to_xmp(MARK).decode("utf-8")
    assert packet.startswith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>')
    assert packet.endswith('<?xpacket end="w"?>')
    assert "이 사람은 없습니다" in packet  # readable without this project


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_settings_come_back(values):
    mark = Mark(GENERATED, values)
    assert from_xmp(to_xmp(mark)) == mark
    assert mark.settings == values


@given(st.binary(max_size=300) | st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_noise_is_no_mark(packet):
    assert from_xmp(packet) is None


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_packets_never_crash(data):
    packet = bytearray(to_xmp(MARK))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    from_xmp(bytes(packet))
    assert from_xmp(bytes(to_xmp(MARK))[: data.draw(st.integers(0, len(to_xmp(MARK)) - 40))]) is None


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l11;</x>',
    "outside entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "unknown entity": "<x>&nothing;</x>",
    "deep": "<x>" * 100_000,
    "deep and closed": "<x>" * 100_000 + "</x>" * 100_000,
    "another encoding": '<?xml version="1.0" encoding="utf-16"?><x/>',
    "empty": "",
    "another program's": '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
    "no settings": to_xmp(MARK).decode().replace("ruf:Settings", "ruf:Other"),
    "no type": to_xmp(MARK).decode().replace("DigitalSourceType>", "DigitalOther>"),
    "another vocabulary": to_xmp(MARK).decode().replace("cv.iptc.org", "example.org"),
    "odd type": to_xmp(MARK).decode().replace(GENERATED, "../x y"),
    "settings no dict": re.sub("<ruf:Settings>.*</", "<ruf:Settings>[1]</", to_xmp(MARK).decode()),
    "settings no JSON": re.sub("<ruf:Settings>.*</", "<ruf:Settings>{1</", to_xmp(MARK).decode()),
    "settings not finite": re.sub("<ruf:Settings>.*</", '<ruf:Settings>{"a": NaN}</', to_xmp(MARK).decode()),
    "settings deep": re.sub("<ruf:Settings>.*</", f"<ruf:Settings>{'[' * 100_000}</", to_xmp(MARK).decode()),
    "settings large": re.sub("<ruf:Settings>.*</", f'<ruf:Settings>{{"a": {"9" * 9999}}}</', to_xmp(MARK).decode()),
    "too long": " " * (17 * 2**20),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_packets_of_strangers_are_no_mark(tmp_path, kind):
    assert from_xmp(HOSTILE[kind]) is None
    assert from_xmp(HOSTILE[kind].encode()) is None
    if len(HOSTILE[kind]) < 60_000:
        Image.fromarray(draw()).save(tmp_path / "a.jpg", xmp=HOSTILE[kind].encode())
        assert read_mark(tmp_path / "a.jpg") is None


def test_mark_is_found_in_other_spellings():
    value = re.search("<ruf:Settings>(.*)</", to_xmp(MARK).decode()).group(1).replace('"', "&quot;")
    as_attributes = f"""\x00\ufeff<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="{provenance.xmp.RDF}">
      <r:Description r:about="" xmlns:a="{provenance.xmp.IPTC_EXT}" a:DigitalSourceType="{URI}{GENERATED}"/>
      <r:Description xmlns:b="{provenance.xmp.OURS}" b:Settings="{value}"/></r:RDF></x:xmpmeta>\n\x00"""
    assert from_xmp(as_attributes) == MARK
    resource = to_xmp(MARK).decode()
    resource = re.sub("DigitalSourceType>.*</.*>", f'DigitalSourceType rdf:resource="{URI}{GENERATED}"/>', resource)
    assert from_xmp(resource) == MARK


def test_settings_too_long_for_anything():
    with pytest.raises(ValueError, match="too long to be put into a picture"):
        to_xmp(Mark(GENERATED, {"text": "x" * 2**24}))
