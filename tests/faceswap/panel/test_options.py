"""Options as controls and as commands."""

import dataclasses
import shlex

import pytest

from faceswap.cli.common import options_from
from faceswap.cli.photo import build_parser
from faceswap.options import Options
from faceswap.panel.options import option_control, plain_command


def test_every_option_has_a_control_with_its_help_and_range(panel):
    assert list(panel.controls.by_name) == [f.name for f in dataclasses.fields(Options)]
    for f in dataclasses.fields(Options):
        control = option_control(f)
        assert control.tooltip == f.metadata["help"] and control.value == f.default
        if isinstance(f.default, float):
            assert (control.min, control.max) == f.metadata["allowed"]
    assert panel.options() == Options()


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(correct_color=False, warp_2d=True),
        Options(blend="poisson", mask="oval", feather=0.2, strength=0.55, keep_mouth="never", match_grain=0.25),
    ],
)
def test_plain_command_means_the_same(options):
    program, files = "faceswap/main.py", {"--src": "a face.png", "--dst": "b.jpg", "--out": "o.png"}
    command = shlex.split(plain_command(program, files, options, "fan", "--face", "1"))
    assert command[:2] == ["python", "faceswap/main.py"]
    arguments = build_parser().parse_args(command[2:])
    assert options_from(arguments) == options and arguments.landmarks == "fan"
    assert "--landmarks" not in plain_command(program, files, options, "BySize")
    assert (arguments.src, arguments.dst, arguments.out, arguments.face) == ("a face.png", "b.jpg", "o.png", 1)
