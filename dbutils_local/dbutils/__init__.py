"""`dbutils` as code inside a notebook, script or kernel sees it."""
