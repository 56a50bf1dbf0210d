"""The parts of a file of `torch.save`: a zip archive of storages, and a pickle about them."""

from __future__ import annotations

import io
import zipfile
from functools import cached_property

from robust_augcl.errors import InputError, shown

MOST_WEIGHTS = 2**31
"""The most bytes of a file of weights, and of the tensors that are read from it."""
_MOST_WORDS = 2**23  # bytes of the pickle
_SHORT = 16  # bytes of a part that says one word


class Unreadable(Exception):
    """It is no file as `torch.save` writes it; the text says why."""


class Parts:
    """The parts of an archive, by their names. Each lies in it once, as it is.

    Args:
        content: of the file.

    Raises:
        InputError: parts that are compressed, or claim more than there is; another kind of file.
        Unreadable: there is not one pickle.
        Exception: it is no archive.
    """

    def __init__(self, content: bytes) -> None:
        self._file = zipfile.ZipFile(io.BytesIO(content))
        parts = self._file.infolist()
        if any(each.filename.endswith("/constants.pkl") for each in parts):
            raise InputError(
                "Expected a state dict, got a scripted module (`torch.jit.save`): save its "
                "`state_dict()`"
            )
        packed = [each.filename for each in parts if each.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise InputError(
                "Expected a file as `torch.save` writes it, in which nothing is compressed, got "
                f"one with {shown(packed[0])} compressed"
            )
        self.sizes = {each.filename: each.file_size for each in parts}
        claimed = sum(each.file_size for each in parts)
        if claimed > len(content) or len(self.sizes) < len(parts):
            raise InputError(
                f"Expected parts that lie one after another in {len(content)} bytes, got parts of "
                f"{claimed} bytes, or several of one name"
            )
        found = [name for name in self.sizes if name.rpartition("/")[2] == "data.pkl"]
        if len(found) != 1:
            raise Unreadable(f"it has {len(found)} parts `data.pkl`")
        self.root = found[0].removesuffix("data.pkl")
        if self._optional("byteorder") not in (b"little", None):
            raise InputError(
                "Expected numbers whose lowest byte comes first, got a file of a machine that "
                "writes the highest one first: save it as safetensors there"
            )

    @cached_property
    def words(self) -> bytes:
        """The pickle."""
        size = self.sizes[f"{self.root}data.pkl"]
        if size > _MOST_WORDS:
            raise InputError(f"Expected a pickle of at most {_MOST_WORDS} bytes, got {size}")
        return self._read(f"{self.root}data.pkl")

    def storage(self, key: str) -> bytes:
        """The numbers of a storage."""
        name = f"{self.root}data/{key}"
        if name not in self.sizes:
            raise Unreadable(f"it has no part {shown(name)}")
        return self._read(name)

    def _optional(self, name: str) -> bytes | None:
        name = self.root + name
        return self._read(name) if self.sizes.get(name, _MOST_WORDS) < _SHORT else None

    def _read(self, name: str) -> bytes:
        try:
            return self._file.read(name)
        except zipfile.BadZipFile as error:
            if "CRC" not in str(error):
                raise
            raise InputError(
                f"Expected parts that have their checksums, got another one of {shown(name)}: the "
                "file is damaged, or was written without checksums; then save it again after "
                "`torch.serialization.set_crc32_options(True)`"
            ) from None
