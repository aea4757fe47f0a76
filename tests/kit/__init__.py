"""A kit for tests of the trading core: builders with plain defaults, and a desk that tells stories."""
