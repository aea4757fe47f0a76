"""What the operator reads: lists, stories of one trade, profit and loss."""
