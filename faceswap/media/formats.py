"""How videos are written, by the ending of the file's name. Light to import: the commands' help reads the table."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """An entry of FORMATS."""

    codec: str  # of the picture
    help: str
    pixels: str  # format of the pixels
    sounds: str = ""  # codecs of sound that it can hold, * for any
    sound_codec: str = ""  # what other sound becomes; none: left out


FORMATS = {
    ".mp4": Format("libx264", "plays anywhere", "yuv420p", "aac mp3 ac3 eac3 alac opus flac", "aac"),
    ".mov": Format("libx264", "for QuickTime", "yuv420p", "aac mp3 ac3 alac pcm_s16le pcm_s24le", "aac"),
    ".mkv": Format("libx264", "holds any sound", "yuv420p", "*", "aac"),
    ".avi": Format("mpeg4", "for old programs", "yuv420p", "mp3 ac3 pcm_s16le", "libmp3lame"),
    ".webm": Format("libvpx-vp9", "for web pages", "yuv420p", "opus vorbis", "libopus"),
    ".gif": Format("gif", "without sound", "pal8"),
}
