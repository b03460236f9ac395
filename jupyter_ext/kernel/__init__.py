"""What users meet inside a kernel: names, magics, tables, the widget panel, live pictures."""
