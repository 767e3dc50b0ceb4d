"""The walk as a video."""

from provenance import from_xmp
from sgan.faces.walk import XMP_BOX
from sgan.panel.tabs.walk import WalkTab


def test_walk_is_a_video_that_carries_its_mark(faces):
    import av

    faces.part(WalkTab).seeds.value, faces.part(WalkTab).seconds.value = "1 2", 0.5
    path = faces.part(WalkTab).save()
    with av.open(str(path)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 24
    data = path.read_bytes()
    assert from_xmp(data[data.rindex(XMP_BOX.bytes) + 16 :]).settings["seeds"] == [1, 2]
    faces.part(WalkTab).seeds.value = " ".join(["1"] * 200)
    faces.part(WalkTab).button.click()
    assert "at most 60 seconds" in faces.message.value
