//! Whole calls as ladders: the diagram is the expectation.
