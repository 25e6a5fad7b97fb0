"""`kubectl recall`: what people do with instances beside applying manifests."""
