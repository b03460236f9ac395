"""Delta tables on a Spark that has no Delta: rows as Parquet through Spark, versions in a true log beside them."""
