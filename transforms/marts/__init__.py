"""What people query and read."""
