"""The Jobs REST API and the run pages, inside any Jupyter server or alone as `dbutils-local serve`."""
