"""The committed sample export and the generator that makes it."""
