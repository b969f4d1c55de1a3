"""Set-up, and what makes the documents."""
