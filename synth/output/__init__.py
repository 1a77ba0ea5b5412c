"""Files out: staging, manifest rows, audit, removal, previews."""
