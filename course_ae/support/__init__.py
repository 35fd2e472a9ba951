"""What every part needs and nobody comes to learn: errors, files, images, the device."""
