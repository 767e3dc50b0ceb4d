"""What holds for every ending of a video's name."""

from fractions import Fraction

import av
import numpy as np
import pytest
from drawn_film import SIZE, read_video

from faceswap.media.encoder import Writer, codec_of
from faceswap.media.formats import FORMATS
from provenance import COMPOSITE, from_xmp, read_mark


@pytest.mark.parametrize("ending", FORMATS)
def test_as_many_frames_come_back_as_were_written_with_their_mark(ending, tmp_path):
    kind, path = FORMATS[ending], tmp_path / f"a{ending}"
    assert codec_of(kind.codec) == kind.codec and kind.help
    assert not kind.sound_codec or av.codec.Codec(kind.sound_codec, "w").type == "audio"
    writer = Writer(path, None, {"seed": 3})
    for number in range(6):
        writer.write_frame(np.full((*SIZE, 3), 30 + 30 * number, np.uint8), 40 * number, Fraction(1, 1000))
    writer.close()
    _, frames, sound, comment = read_video(path)
    assert len(frames) == 6 and not sound and frames[0].shape == (*SIZE, 3)
    assert [round(float(frame.mean())) for frame in frames] == pytest.approx([30 + 30 * n for n in range(6)], abs=6)
    mark = from_xmp(comment) if comment else read_mark(path)
    assert (mark.source_type, mark.settings) == (COMPOSITE, {"seed": 3})
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
def test_without_a_frame_there_is_no_file(ending, tmp_path):
    Writer(tmp_path / f"a{ending}", None, {}).close()
    assert not list(tmp_path.iterdir())
