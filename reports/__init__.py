"""The report: charts of the marts and the page that shows them."""
