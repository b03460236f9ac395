"""One plug-in a task kind: `run(task, context) -> Outcome`."""
