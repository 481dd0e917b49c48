"""The tested solutions, one file a chapter. A handout leaves the chapters' files out."""
