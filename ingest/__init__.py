"""From files to pages, chunks and vectors in the index, with a journal of what was done."""
