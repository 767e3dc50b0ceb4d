"""Facts of the commands' flags, and of `show`."""

import dataclasses
import os
import shutil

import pytest
from foreign_files import (
    write,
)
from PIL import Image
from processes import ROOT, one_sentence, sgan

from sgan.cli import main
from sgan.config import ConfigError, TrainConfig
from sgan.launch.run import check_batches


def test_the_example_of_several_machines_gives_whole_groups():
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    command = text[text.index("torchrun --nnodes 2 --nproc_per_node 8") :].split("```")[0].replace("\\\n", " ")
    options = main.build_parser().parse_args(command.split()[command.split().index("train") :])
    config = main.make_config(options, False)
    check_batches(config, 16)
    sizes = {config.batch_size_at(2 ** (step + 2)) for step in range(config.step, config.max_step + 1)}
    assert all(size // 16 % config.mbstd_group_size == 0 for size in sizes)


def test_visible_devices_reach_the_environment(monkeypatch, faces, tmp_path):
    seen = {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(main, "drive", lambda *args: seen.update(os.environ) or 0)
    arguments = ["train", "--image_folder_path", str(faces), "--save_folder_path", str(tmp_path / "run")]
    assert main.main([*arguments, "--CUDA_VISIBLE_DEVICES", "2,3", "--device", "cpu"]) == 0
    assert seen["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_show_says_when_there_is_no_mark(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    one_sentence(sgan("show", tmp_path / "plain.png"), 1, "plain.png", "no mark")
    (tmp_path / "text.png").write_text("no picture")
    one_sentence(sgan("show", tmp_path / "text.png"), 1, "text.png")
    one_sentence(sgan("show", tmp_path / "none.png"), 1, "none.png")


def test_every_flag_tells_its_default():
    parser = main.build_parser()._subparsers._group_actions[0].choices["train"]
    text = parser.format_help()
    assert "MISSING" not in text and text.count("(default:") >= len(dataclasses.fields(TrainConfig))


def test_workers_are_not_started_for_what_cannot_be(tmp_path):
    done = sgan("train", "--image_folder_path", tmp_path / "none", "--n_gpu", 3, "--device", "cpu", cache=tmp_path)
    one_sentence(done, 2, "cannot be shared by 3")
    done = sgan("train", "--image_folder_path", tmp_path / "none", "--n_gpu", 2, "--device", "cpu", cache=tmp_path)
    one_sentence(done, 1, "none")
    assert len(done.stderr.splitlines()) == 1


def test_flags_are_made_from_the_settings():
    parser = main.build_parser()
    options = parser.parse_args(
        ["train", "--batch_size", "8:4,16:2", "--style_mixing", "0", "1", "--is_continue", "False", "--DGR", "2"]
    )
    options.preset = "cpu"
    config = main.make_config(options, cuda=False)
    assert config.batch_size == {8: 4, 16: 2} and config.style_mixing == (0, 1)
    assert config.is_continue is False and config.DGR == 2
    assert config.channel_base == 2048  # the preset fills in the rest


def test_the_full_resolution_of_a_gpus_preset_is_no_wrong_usage_before_torch_is_asked():
    options = main.build_parser().parse_args(["train", "--image_folder_path", "faces", "--step", "6"])
    assert main._early_config(options).max_step == 6
    options = main.build_parser().parse_args(
        ["train", "--image_folder_path", "faces", "--step", "6", "--max_step", "3"]
    )
    with pytest.raises(ConfigError, match="max_step is 3, below step"):
        main._early_config(options)


def test_a_run_whose_folder_was_moved_goes_on_where_it_is_now(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "moved")
    options = main.build_parser().parse_args(["train", "--save_folder_path", str(tmp_path / "moved")])
    assert main.make_config(options, cuda=False).save_folder_path == str(tmp_path / "moved")


def test_damaged_files_end_commands_in_one_line(tmp_path, capsys):
    bad = write(tmp_path / "bad.pkl", b"\x80\x04cos\nsystem\n.")
    for command in (
        ["convert", str(bad), str(tmp_path / "a.safetensors")],
        ["sample", "--checkpoint", str(bad), "--device", "cpu", "--out", str(tmp_path / "out")],
        ["train", "--resume_from", str(bad), "--image_folder_path", str(tmp_path), "--device", "cpu"],
    ):
        assert main.main(command) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ") and err.count("\n") == 1 and "os.system" in err
