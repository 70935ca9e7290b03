"""How fast is it? Each file here prints one table; `python -m benchmarks.field` compares with other servers."""
