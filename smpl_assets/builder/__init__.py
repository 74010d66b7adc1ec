"""Parts of the script that builds the embedded body (see ../build_body.py)."""
