"""The web, for the retriever: search engines, and pages read as text. What comes from there is data, and hostile."""
