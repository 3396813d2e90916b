"""What talks to people: the `cloister` command and the chat. Knows the use cases only."""
