"""The options of one start, under the name by which keeper and command line know them."""

from appliance.config.options import BadOption, Mode, Relay, RunOptions, port_range

__all__ = ["BadOption", "Mode", "Relay", "RunOptions", "port_range"]
