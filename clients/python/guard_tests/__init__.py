"""The guard's tests: vectors first, then sessions, then the frameworks."""
