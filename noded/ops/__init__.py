"""What an operator does with a node's home: founding, and later keeping and mending it."""
