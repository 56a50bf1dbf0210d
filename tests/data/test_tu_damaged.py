"""TU archives that are missing, damaged or of another form are bad input, and named."""

from __future__ import annotations

import zipfile

import pytest
from tiny_tu import EDGES, NODE_LABELS, lines, load, write

from robust_augcl.errors import InputError


def test_a_missing_archive_is_named_with_the_nearest_there_is(tmp_path):
    write(tmp_path)
    write(tmp_path, name="OTHER")
    with pytest.raises(InputError, match=r"TUDataset/TINI\.zip.*did you mean 'TINY'.*OTHER, TINY"):
        load(tmp_path, name="TINI")


def test_a_missing_folder_of_archives_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"TINY\.zip"):
        load(tmp_path / "nowhere")


def test_where_there_is_nothing_it_is_said(tmp_path):
    with pytest.raises(InputError, match=r"\(there: no archive\)"):
        load(tmp_path)
    archive = write(tmp_path)
    with zipfile.ZipFile(archive, "w"):
        pass
    with pytest.raises(InputError, match=r"\(there: no folder TINY\)"):
        load(tmp_path)


def garbage(archive):
    archive.write_bytes(b"not a zip file at all")


def cut_short(archive):
    archive.write_bytes(archive.read_bytes()[:-40])


def flipped(archive):
    """Damage the compressed bytes of the first file."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        first = file.infolist()[0]
    start = first.header_offset + 30 + len(first.filename)
    for place in range(start, start + first.compress_size):
        content[place] ^= 0xFF
    archive.write_bytes(bytes(content))


def other_folder(archive):
    write(archive.parent.parent, inside="OTHER")


def no_files(archive):
    with zipfile.ZipFile(archive, "w"):
        pass


def no_indicator(archive):
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("TINY/TINY_A.txt", lines(EDGES))


def no_numbers(archive):
    write(archive.parent.parent, edges=["one, two"])


def edges_out_of_range(archive):
    write(archive.parent.parent, edges=[*EDGES, (9, 40), (40, 9)])


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        cut_short,
        flipped,
        other_folder,
        no_files,
        no_indicator,
        no_numbers,
        edges_out_of_range,
    ],
)
def test_an_archive_that_cannot_be_read_is_an_input_error(tmp_path, damage):
    archive = write(tmp_path, node_labels=NODE_LABELS)
    damage(archive)
    with pytest.raises(InputError, match=r"TINY\.zip"):
        load(tmp_path)


def test_an_edge_in_one_direction_is_an_input_error(tmp_path):
    write(tmp_path, edges=EDGES[:-1])
    with pytest.raises(InputError, match="both directions"):
        load(tmp_path)
