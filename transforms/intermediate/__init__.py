"""Events of a deal in time: transitions, activities, losses, and their union."""
