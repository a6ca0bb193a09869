"""Playing a model within limits: frame, limits, sampler, harmony. No I/O and no process."""
