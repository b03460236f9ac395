"""What the files that an attempt leaves behind are called."""

from __future__ import annotations

NOTEBOOK = "notebook.ipynb"  # the executed copy
STDOUT = "stdout.log"
STDERR = "stderr.log"
OUTBOX = "outbox.jsonl"  # what the code inside said to its driver
BIRTH = "birth.json"  # what a script was born with
INSTALL = "install.log"  # how its libraries were installed
CHILDREN = "children"  # notebooks it ran in turn
