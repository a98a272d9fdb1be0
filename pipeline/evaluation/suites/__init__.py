"""Who or what is evaluated: identities and photographs, with what is true of them."""
