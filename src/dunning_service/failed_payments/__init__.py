"""The read side of the lists of failed payments: query, counts, sorting, cursors, schedules."""
