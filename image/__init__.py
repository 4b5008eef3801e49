"""The image: a hardened Debian virtual machine that boots into the working appliance.

`python -m image` builds it (`make image`), `python -m tests.image` boots it and proves it (`make image-check`). Nothing
of the product imports this package, and it reads of the product only what it must not say twice.
"""
