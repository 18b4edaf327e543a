"""What the report shows, the process that draws it, and the reports that are kept."""
