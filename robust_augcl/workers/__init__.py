"""Where steps run: the runner, executors, processes, memory, devices."""
