"""From an event to a status: watches, the queue, one pass, and what it reports."""
