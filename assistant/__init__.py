"""From a question to a grounded, cited, recorded answer."""
