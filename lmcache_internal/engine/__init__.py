"""The engines that can be served: what they look like, and what stands beside them."""
