"""Who or what is evaluated: people and photographs, with what is true of them."""
