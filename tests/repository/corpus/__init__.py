"""Archives to refuse and archives to take, each made by code and named after the rule that it breaks."""
