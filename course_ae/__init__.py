"""Find defective products with an autoencoder that has only seen good ones: a hands-on course."""

__version__ = "0.1.0"
