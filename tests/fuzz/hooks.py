"""What openapi.json can't say to a fuzzer. Not here: which checks are made (schemathesis.toml)."""

import schemathesis
from hypothesis import strategies as st

# Only a page knows a cursor; the empty one is the first page's.
schemathesis.openapi.format("cursor", st.just(""))

PLACES = ("before", "after", "around")


@schemathesis.hook
def map_query(context, query):
    """A page of messages has one place at most."""
    if context.operation.path == "/api/chat/rooms/{room}/messages" and query:
        for name in [name for name in PLACES if name in query][1:]:
            del query[name]
    return query
