"""The three networks and the shipped base that holds them together."""
