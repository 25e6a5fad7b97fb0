"""The operator's own rights, the boundary of those it gives, and the page that lists both."""
