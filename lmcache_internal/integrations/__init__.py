"""Ways into programs that others wrote."""
