"""What openapi.json can't say to a fuzzer. Not here: which checks are made (schemathesis.toml)."""

import schemathesis
from hypothesis import strategies as st

# Only a page knows a cursor; the empty one is the first page's.
schemathesis.openapi.format("cursor", st.just(""))

PLACES = {"before", "after", "around"}


@schemathesis.hook
def filter_case(context, case):
    """A page of messages has one place at most: no schema of single parameters can say that."""
    is_page = case.operation.label == "GET /api/chat/rooms/{room}/messages"
    return not is_page or len(PLACES & set(case.query or {})) <= 1
