"""What a delivery does beside building: files into the web app's bucket, a release's version and notes."""
