"""What is held: `securities`, their holdings, the `portfolio`'s cash and value, `margin_call`."""
