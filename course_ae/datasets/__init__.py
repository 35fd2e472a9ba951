"""Where images come from: drawn here, from MVTec AD, or photographs of your own."""
