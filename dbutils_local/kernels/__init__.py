"""The processes that run user code: warm kernels, their fork server, and what code inside says to its driver."""
