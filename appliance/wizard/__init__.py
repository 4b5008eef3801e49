"""The machine's set-up on its first screen: address, name, SSH, a password of the panel. Only the image has it.

`entries` reads what people type, `machine` is the system's files and programs, `menu` the conversation.
"""
