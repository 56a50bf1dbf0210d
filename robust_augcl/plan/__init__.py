"""What a suite asks for, as data: its tables, protocols, steps, and the table of step kinds."""
