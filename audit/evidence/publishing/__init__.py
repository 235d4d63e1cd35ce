"""Publishing of the transparency log: over HTTP and as files, in the layout of C2SP tlog-tiles."""
