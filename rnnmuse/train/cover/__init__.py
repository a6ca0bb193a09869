"""Cover models: a generator of pictures trained against a discriminator."""
