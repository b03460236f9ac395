# Databricks notebook source
dbutils.widgets.text("out", "dbfs:/seattle_weather/by_hand")

# COMMAND ----------

# Runs whatever happened before it: the years' files are not needed any more.
removed = dbutils.fs.rm(dbutils.widgets.get("out"), True)
print("removed" if removed else "nothing to remove")
