"""Due dates, instalments and reminders for a small shop."""
