"""A mark as an XMP packet, and back."""

import html
import json
import re
from xml.etree import ElementTree

from provenance.mark import VERSION, Mark

SOURCE_TYPE_URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
OURS = "urn:random-unreal-face:ns:1.0/"

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{rdf}">
  <rdf:Description rdf:about="" xmlns:xmp="{xmp}" xmlns:Iptc4xmpExt="{iptc}" xmlns:ruf="{ours}">
   <xmp:CreatorTool>Random Unreal Face {version}</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <ruf:Settings>{settings}</ruf:Settings>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

NOT_IN_XML = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
MAX_PACKET = 16 * 2**20  # bytes; far above any real packet


def to_xmp(mark: Mark) -> bytes:
    """Return the XMP packet that states `mark`, UTF-8; ValueError if its settings are too long for any file."""
    text = json.dumps(mark.settings, ensure_ascii=False, allow_nan=False)
    # JSON may name any character by number, XML may not hold every one: such are only ever inside JSON strings.
    text = NOT_IN_XML.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    packet = PACKET.format(
        rdf=RDF,
        xmp=XMP,
        iptc=IPTC_EXT,
        ours=OURS,
        version=html.escape(VERSION, quote=False),
        source_type=html.escape(SOURCE_TYPE_URI + mark.source_type, quote=False),
        settings=html.escape(text, quote=False),
    ).encode("utf-8")
    if len(packet) > MAX_PACKET:
        raise ValueError(f"the settings are too long to be put into a picture ({len(packet)} bytes)")
    return packet


def from_xmp(packet: bytes | str) -> Mark | None:
    """Return the mark stated by an XMP packet, or None if it states none of ours.

    Safe on packets of strangers: what is broken, too long or brings its own entities is no mark of ours.
    """
    try:
        root = _parse(packet)
        source_type = _find(root, IPTC_EXT, "DigitalSourceType")
        settings = _find(root, OURS, "Settings")
        if source_type is None or settings is None or not source_type.startswith(SOURCE_TYPE_URI):
            return None
        return Mark(source_type[len(SOURCE_TYPE_URI) :], json.loads(settings))
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def _parse(packet: bytes | str) -> ElementTree.Element:
    """Return the root element; ValueError or ParseError on a packet that is not plain XML."""
    if len(packet) > MAX_PACKET:
        raise ValueError("the XMP packet is too long")
    text = packet.decode("utf-8") if isinstance(packet, bytes) else packet
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("an XMP packet declares no entities")
    return ElementTree.fromstring(text.strip("\ufeff\x00 \t\r\n"))


def _find(root: ElementTree.Element, namespace: str, name: str) -> str | None:
    """Return the text of the first property of that name, written as an element, its resource or an attribute."""
    full_name = f"{{{namespace}}}{name}"
    for element in root.iter():
        if element.tag == full_name:
            return (element.text or element.get(f"{{{RDF}}}resource") or "").strip()
        if full_name in element.attrib:
            return element.attrib[full_name].strip()
    return None
