"""What users spend, and how much they may."""
