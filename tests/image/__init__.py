"""`make image-check`: the finished image booted by emulation, and asked whether it is what it should be.

Two machines boot from the same image, on overlays of it: one under BIOS, one under UEFI on a larger disk. Each has a
network card whose other end is qemu itself, in a network namespace with a loopback interface alone. From outside HTTPS
and SIP are asked; inside, `inside.py` looks around: it comes in as a credential in the firmware's tables, because the
image itself lets nobody in. Arguments: `image=FILE`, `firmware=bios,uefi`.
"""
