"""What else is known of a patch: solar events from HEK, the keywords of its headers, where it was on the disk."""
