"""Personal data becomes pseudonyms: the expressions, and the users that come out."""
