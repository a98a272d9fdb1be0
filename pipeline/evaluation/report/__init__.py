"""What is shown of it: pages, tables, charts."""
