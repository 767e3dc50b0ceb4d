"""Persona files."""

import pytest

from sgan.faces.persona import PersonaError, load_persona, read_persona


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": "random-unreal-face persona"}', b"\xff\x00"])
def test_files_of_strangers_are_no_personas(data, tmp_path):
    with pytest.raises(PersonaError):
        read_persona(data)
    with pytest.raises(FileNotFoundError, match="no.json"):
        load_persona(tmp_path / "no.json")
