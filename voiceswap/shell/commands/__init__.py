"""One command a file: parse, call, print. Jobs are imported inside them, so that --help is quick."""
