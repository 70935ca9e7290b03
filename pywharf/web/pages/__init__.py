"""The pages for people. Each file is one page, or the pages of one kind; what they share is how something is found and worded."""
