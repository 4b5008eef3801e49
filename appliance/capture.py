"""Sampled drops as a pcapng file: each packet with its verdict as a comment, as Wireshark and tcpdump read it.

Follows draft-ietf-opsawg-pcapng: one section, one interface block for each interface a packet came in by, enhanced
packet blocks with the options opt_comment and epb_verdict (2: an XDP action follows). Knows neither keeper nor kernel.
"""

import base64
import binascii
import struct
import sys
from typing import BinaryIO, Final

from pcapng import FileWriter, blocks

from appliance import wire

SNAP_BYTES: Final = 256  # of a packet that the kernel keeps
_ETHERNET: Final = 1
_XDP_DROP: Final = (2, struct.pack("=Q", 1))


class Capture:
    """One file. `texts` explains the verdicts that it will meet."""

    def __init__(self, stream: BinaryIO, texts: dict[str, str]) -> None:
        options = {"shb_userappl": "appliance gate capture"}
        self._section = blocks.SectionHeader(endianness="<" if sys.byteorder == "little" else ">", options=options)
        self._writer = FileWriter(stream, self._section)
        self._interfaces: dict[str, int] = {}
        self._texts = texts
        self.packets = 0

    def add(self, sample: wire.Sample) -> None:
        """Writes one packet. Raises WireError("bad_args") for a frame that is not base64."""
        try:
            frame = base64.b64decode(sample.frame, validate=True)
        except binascii.Error as error:
            raise wire.WireError("bad_args", f"sample {sample.number} is not base64: {error}") from None
        at_us = round(sample.at * 1e6)
        block = self._section.new_member(
            blocks.EnhancedPacket,
            interface_id=self._interface(sample.interface),
            timestamp_high=at_us >> 32,
            timestamp_low=at_us & 0xFFFFFFFF,
            packet_len=sample.bytes,
            packet_data=frame,
            options={"opt_comment": self._comment(sample.verdict), "epb_verdict": [_XDP_DROP]},
        )
        self._writer.write_block(block)
        self.packets += 1

    def _comment(self, verdict: str) -> str:
        text = self._texts.get(verdict, "")
        return f"{verdict}: {text}" if text else verdict

    def _interface(self, name: str) -> int:
        if name not in self._interfaces:
            options = {"if_name": name} if name else {}
            block = self._section.new_member(
                blocks.InterfaceDescription, link_type=_ETHERNET, snaplen=SNAP_BYTES, options=options
            )
            self._writer.write_block(block)
            self._interfaces[name] = block.interface_id
        return self._interfaces[name]
